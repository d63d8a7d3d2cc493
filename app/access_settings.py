"""The settings that say how callers show who they are (``docs/access.md``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError
from app.files.secrets import SecretSource
from app.operations.callers import Callers, Way
from app.operations.client_certificates import ClientCertificates
from app.operations.principal import GIVEN, Role
from app.operations.services import Network
from app.operations.token_claims import RoleNames
from app.pki.end_entity import TENANT
from app.setting_values import checked_url, networks, secret

if TYPE_CHECKING:
    from app.operations.access_tokens import AccessTokens
    from app.operations.identity_provider import IdentityProvider
    from app.store.certificates import CertificateStore

_WAYS: Final = ("tokens", "oidc", "kong", "certificates")
_KEYCLOAK_KEYS: Final = "/protocol/openid-connect/certs"

ACCESS_DESCRIPTIONS: Final = {
    "MIDCA_AUTH": "How callers show who they are: `tokens` (default), and with a comma one of `oidc`, `kong` and "
    "`certificates`, or the first and the last of these. See `docs/access.md`.",
    "MIDCA_TRUSTED_PROXIES": "Networks (CIDR, comma-separated) of the proxies or gateways in front. What one passes on "
    "of a caller counts if it sends the secret too. Default: none.",
    "MIDCA_PROXY_SECRET_FILE": "File with the secret that they send as `X-Midca-Proxy-Secret`, mode 0600. Default "
    "`$MIDCA_DATA/secrets/proxy-secret`, made when there are trusted proxies.",
    "MIDCA_OIDC_ISSUER": "The claim `iss` of tokens; with `{tenant}` in it, as in "
    "`https://sso.example.org/auth/realms/{tenant}`, what stands there is the caller's tenant.",
    "MIDCA_OIDC_AUDIENCE": "What the claim `aud` must name.",
    "MIDCA_OIDC_KEYS_URL": "Where the issuer publishes its keys. Default: Keycloak's place, "
    "`<issuer>/protocol/openid-connect/certs`.",
    "MIDCA_OIDC_TENANT_CLAIM": "The claim that names the caller's tenant, where the issuer does not. Default: none; "
    "callers then reach the end entities of all tenants.",
    "MIDCA_OIDC_ROLES_CLAIM": "The claim with the caller's roles. Default: Keycloak's, `realm_access.roles`.",
    "MIDCA_AUTH_ROLES": "What other services' tokens call the roles `admin`, `registrar` and `auditor`, as in "
    "`ca-operators=admin,support=auditor`. Default: the same.",
    "MIDCA_ADMIN_TENANT": "The tenant whose people are not held to it, and whose admins are admins of the CA. Default: "
    "none.",
}


@dataclass(frozen=True)
class AccessSettings:
    """``ways`` are the words of MIDCA_AUTH; ``provider`` is there with ``oidc``."""

    ways: tuple[str, ...]
    trusted_proxies: tuple[Network, ...]
    proxy_secret: SecretSource
    names: RoleNames
    provider: IdentityProvider | None

    def callers(self, tokens: AccessTokens, certificates: CertificateStore, now: Callable[[], datetime]) -> Callers:
        """Return the ways of showing who one is, in the order in which they are asked."""
        ways: list[Way] = []
        if "tokens" in self.ways:
            ways.append(tokens)
        if self.provider is not None:
            ways.append(self.provider)
        if "kong" in self.ways:
            from app.operations.gateway_tokens import GatewayTokens  # noqa: PLC0415 -- PyJWT, for those who use it

            ways.append(GatewayTokens(self.names))
        if "certificates" in self.ways:
            ways.append(ClientCertificates(tokens, certificates, now))
        return Callers(tuple(ways), by_certificate="certificates" in self.ways)

    def read_proxy_secret(self) -> bytes:
        """Return the secret of the trusted proxies; a new one where there is none yet."""
        return self.proxy_secret.read(create=True)[0] if self.trusted_proxies else b""


def access_settings(environment: Mapping[str, str], data: Path) -> AccessSettings:
    """Read the environment; raise :class:`ConfigurationError` naming the setting that makes no sense."""
    ways, proxies = _ways(environment), networks(environment, "MIDCA_TRUSTED_PROXIES")
    _check_who_vouches(ways, proxies=bool(proxies), own_tls="MIDCA_TLS_CLIENT_CA" in environment)
    names = RoleNames(_roles(environment), _admin_tenant(environment))
    return AccessSettings(
        ways=ways,
        trusted_proxies=proxies,
        proxy_secret=secret(environment, "midca-proxy-secret", "MIDCA_PROXY_SECRET", data, "proxy-secret"),
        names=names,
        provider=_provider(environment, names) if "oidc" in ways else None,
    )


def _ways(environment: Mapping[str, str]) -> tuple[str, ...]:
    ways = tuple(word.strip() for word in environment.get("MIDCA_AUTH", "tokens").split(","))
    if strange := set(ways) - set(_WAYS):
        raise ConfigurationError(f"MIDCA_AUTH is made of {', '.join(_WAYS)}, not {min(strange)[:20]!r}.")
    # Each of the two makes the secret of the proxy vouch for headers that a proxy for the other would let pass unseen.
    if "kong" in ways and not {"oidc", "certificates"}.isdisjoint(ways):
        raise ConfigurationError(
            "MIDCA_AUTH=kong goes with tokens alone: its gateway does not verify what the others do."
        )
    return ways


def _check_who_vouches(ways: tuple[str, ...], *, proxies: bool, own_tls: bool) -> None:
    if "kong" in ways and not proxies:
        raise ConfigurationError(f"MIDCA_AUTH={','.join(ways)} needs MIDCA_TRUSTED_PROXIES: who passes that on?")
    if "certificates" in ways and not proxies and not own_tls:
        raise ConfigurationError(
            f"MIDCA_AUTH={','.join(ways)} needs MIDCA_TLS_CLIENT_CA or MIDCA_TRUSTED_PROXIES: who verifies them?"
        )
    if own_tls and "certificates" not in ways:
        raise ConfigurationError(
            "MIDCA_TLS_CLIENT_CA needs MIDCA_AUTH=tokens,certificates: else they count for nothing."
        )


def _provider(environment: Mapping[str, str], names: RoleNames) -> IdentityProvider:
    from app.operations.identity_provider import IdentityProvider  # noqa: PLC0415 -- PyJWT, for those who use it
    from app.operations.signing_keys import TENANT_IN_URL, SigningKeys  # noqa: PLC0415 -- the same

    issuer, audience = environment.get("MIDCA_OIDC_ISSUER", ""), environment.get("MIDCA_OIDC_AUDIENCE", "")
    if not issuer or not audience:
        raise ConfigurationError("MIDCA_AUTH=oidc needs MIDCA_OIDC_ISSUER and MIDCA_OIDC_AUDIENCE.")
    keys_url = environment.get("MIDCA_OIDC_KEYS_URL", issuer.rstrip("/") + _KEYCLOAK_KEYS)
    tenant_claim = environment.get("MIDCA_OIDC_TENANT_CLAIM")
    for name, url in (("MIDCA_OIDC_ISSUER", issuer), ("MIDCA_OIDC_KEYS_URL", keys_url)):
        checked_url(url.replace(TENANT_IN_URL, "tenant", 1).rstrip("/"), name)
    if (TENANT_IN_URL in issuer) != (TENANT_IN_URL in keys_url):
        raise ConfigurationError("MIDCA_OIDC_ISSUER and MIDCA_OIDC_KEYS_URL must both hold {tenant}, or neither.")
    if TENANT_IN_URL in issuer and tenant_claim is not None:
        raise ConfigurationError("MIDCA_OIDC_TENANT_CLAIM: the tenant is in MIDCA_OIDC_ISSUER already.")
    roles_claim = environment.get("MIDCA_OIDC_ROLES_CLAIM", "realm_access.roles")
    return IdentityProvider(issuer, audience, roles_claim, tenant_claim, names, SigningKeys(keys_url))


def _roles(environment: Mapping[str, str]) -> dict[str, Role]:
    text = environment.get("MIDCA_AUTH_ROLES", ",".join(f"{role}={role}" for role in GIVEN))
    pairs = [(pair.partition("=")[0].strip(), pair.partition("=")[2].strip()) for pair in text.split(",")]
    for name, role in pairs:
        if not name or role not in GIVEN:
            raise ConfigurationError(f"MIDCA_AUTH_ROLES is made of pairs like ca-operators=admin, not {name[:20]!r}.")
    return {name: Role(role) for name, role in pairs}


def _admin_tenant(environment: Mapping[str, str]) -> str | None:
    tenant = environment.get("MIDCA_ADMIN_TENANT")
    if tenant is not None and not TENANT.fullmatch(tenant):
        raise ConfigurationError(f"MIDCA_ADMIN_TENANT must be letters, digits, - and _, not {tenant[:20]!r}.")
    return tenant
