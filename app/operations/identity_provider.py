"""Callers with a token of an OpenID Connect provider such as Keycloak, verified with the keys that it publishes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt

from app.errors import NotAuthenticated
from app.operations.signing_keys import TENANT_IN_URL
from app.operations.token_claims import Claims
from app.pki.end_entity import TENANT

if TYPE_CHECKING:
    from app.operations.callers import Shown
    from app.operations.principal import Principal
    from app.operations.signing_keys import SigningKeys
    from app.operations.token_claims import RoleNames

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Public keys alone (RFC 8725 section 3.1): with one of HMAC's, whoever reads the public key could sign."""
_LEEWAY: Final = 30
_SENTENCES: Final[dict[type[Exception], str]] = {
    jwt.ExpiredSignatureError: "The token has expired.",
    jwt.ImmatureSignatureError: "The token is not good yet.",
    jwt.InvalidAudienceError: "The token is for another service.",
}


@dataclass(frozen=True)
class IdentityProvider:
    """``issuer`` is what the claim ``iss`` must be; where it holds ``{tenant}``, the issuer tells the tenant.

    Otherwise ``tenant_claim`` does; with neither, callers are of no tenant and reach all end entities.
    """

    issuer: str
    audience: str
    roles_claim: str
    tenant_claim: str | None
    names: RoleNames
    keys: SigningKeys

    def principal(self, shown: Shown) -> Principal | None:
        """Return whose token was shown; see :class:`~app.operations.callers.Way`."""
        if shown.bearer is None:
            return None
        try:
            tenant, claims = self._verified(shown.bearer)
        except (jwt.PyJWTError, RecursionError) as error:
            raise NotAuthenticated(_SENTENCES.get(type(error), "The token cannot be verified.")) from error
        if self.tenant_claim is not None:
            tenant = claims.tenant(self.tenant_claim)
        name = claims.name("preferred_username", "sub")
        return self.names.principal(name, "OpenID Connect", claims.roles(self.roles_claim), tenant)

    def _verified(self, token: str) -> tuple[str | None, Claims]:
        """Return the tenant that the issuer names, and the claims; only ``iss`` and ``kid`` are read before."""
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
        header, issuer = unverified["header"], unverified["payload"].get("iss")
        if header.get("alg") not in ALGORITHMS:
            raise jwt.InvalidAlgorithmError
        tenant = self._tenant(issuer)
        claims: dict[str, Any] = jwt.decode(
            token,
            self.keys.key(tenant or "", str(header.get("kid"))),
            algorithms=ALGORITHMS,
            audience=self.audience,
            issuer=self.issuer.replace(TENANT_IN_URL, tenant or ""),
            leeway=_LEEWAY,
            options={"require": ["exp", "iss", "aud"], "enforce_minimum_key_length": True},
        )
        if claims.get("typ", "Bearer") != "Bearer":  # Keycloak's ID and refresh tokens have the same issuer and keys
            raise jwt.InvalidTokenError
        return tenant, Claims(claims)

    def _tenant(self, issuer: object) -> str | None:
        """Return the tenant in the issuer's place for it; raise for any other issuer, before its keys are asked for."""
        before, placed, after = self.issuer.partition(TENANT_IN_URL)
        pattern = re.escape(before) + (f"({TENANT.pattern})" if placed else "()") + re.escape(after)
        match = re.fullmatch(pattern, issuer) if isinstance(issuer, str) else None
        if match is None:
            raise NotAuthenticated("The token is of another issuer.")
        return match[1] or None
