"""Who may call what over HTTP: one table of all routes, and who a request comes from.

Default deny, and before a byte of the body is read. What counts is the address of the connection, and what is passed on
by a proxy that is trusted by its address and a secret: any other header that names somebody is only somebody's word.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
import ssl
from enum import Enum
from http import HTTPStatus
from typing import Final, cast
from urllib.parse import unquote

from flask import g, request

from app import errors
from app.http_frontend import HttpRefusal, actor, services
from app.operations.callers import Shown
from app.operations.principal import Principal, Role
from app.operations.services import Network
from app.pki.end_entity import tenant_of

PROXY_SECRET: Final = "X-Midca-Proxy-Secret"  # noqa: S105 -- the name of a header
CLIENT_VERIFY: Final = "X-SSL-Client-Verify"
CLIENT_CERTIFICATE: Final = "X-SSL-Client-Cert"


class Access(Enum):
    """Who may call a route: in words, and the roles that may. Who is of a tenant is held to its end entities."""

    PUBLIC = "anyone", ()
    ENTITY_PASSWORD = "anyone who knows the end entity's password, which the route itself checks", ()
    ENTITY_HOLDER = "anyone with the end entity's password or, to renew, its certificate, which the route checks", ()
    ENTITY_READER = (
        "an admin, registrar or auditor, or a host in MIDCA_TRUSTED_NETWORKS",
        (Role.ADMIN, Role.REGISTRAR, Role.AUDITOR, Role.TRUSTED_NETWORK),
    )
    REGISTRAR = (
        "an admin or registrar, or a host in MIDCA_TRUSTED_NETWORKS",
        (Role.ADMIN, Role.REGISTRAR, Role.TRUSTED_NETWORK),
    )
    READER = "an admin, registrar or auditor", (Role.ADMIN, Role.REGISTRAR, Role.AUDITOR)
    REVOKER = "an admin or registrar", (Role.ADMIN, Role.REGISTRAR)
    MONITOR = (
        "an admin or an auditor of all tenants, or a host in MIDCA_METRICS_NETWORKS",
        (Role.ADMIN, Role.AUDITOR, Role.METRICS_NETWORK),
    )
    ADMIN = "an admin", (Role.ADMIN,)

    def __init__(self, who: str, roles: tuple[Role, ...]) -> None:
        """Take the words and the roles."""
        self.who = who
        self.roles = frozenset(roles)

    def admits(self, principal: Principal) -> bool:
        """Return whether the caller may call the route at all."""
        everywhere = self is not Access.MONITOR or principal.tenant is None  # metrics count the entities of all tenants
        return everywhere and not self.roles.isdisjoint(principal.roles)


ACCESS: Final[dict[tuple[str, str], Access]] = {
    ("GET", "/health"): Access.PUBLIC,
    ("GET", "/ready"): Access.PUBLIC,
    ("GET", "/metrics"): Access.MONITOR,
    ("GET", "/openapi.json"): Access.PUBLIC,
    ("GET", "/docs"): Access.PUBLIC,
    ("GET", "/docs/style.css"): Access.PUBLIC,
    ("GET", "/ejbca/version"): Access.PUBLIC,
    ("GET", "/ca"): Access.PUBLIC,
    ("GET", "/ca/<name>"): Access.PUBLIC,
    ("GET", "/ca/<name>/crl"): Access.PUBLIC,
    ("PUT", "/ca/<name>/crl"): Access.ADMIN,
    ("GET", "/ca/<issuer>/certificate/<serial>/status"): Access.PUBLIC,
    ("GET", "/ca/<issuer>/certificate/<serial>"): Access.READER,
    ("DELETE", "/ca/<issuer>/certificate/<serial>"): Access.REVOKER,
    ("GET", "/ca/<name>/revocations"): Access.READER,
    ("GET", "/pki/<file>"): Access.PUBLIC,
    ("POST", "/ocsp"): Access.PUBLIC,
    ("GET", "/ocsp/<path:request>"): Access.PUBLIC,
    ("POST", "/sign/<username>/pkcs10"): Access.ENTITY_PASSWORD,
    ("GET", "/.well-known/est/cacerts"): Access.PUBLIC,
    ("POST", "/.well-known/est/simpleenroll"): Access.ENTITY_HOLDER,
    ("POST", "/.well-known/est/simplereenroll"): Access.ENTITY_HOLDER,
    ("POST", "/user"): Access.REGISTRAR,
    ("POST", "/users"): Access.REGISTRAR,
    ("GET", "/user/<username>"): Access.ENTITY_READER,
    ("DELETE", "/user/<username>"): Access.REGISTRAR,
    ("GET", "/user/<username>/find"): Access.ENTITY_READER,
    ("GET", "/profiles"): Access.READER,
    ("GET", "/profiles/<profile>"): Access.READER,
    ("POST", "/profiles/<profile>/explain"): Access.READER,
}
"""Every route and who may call it. A route that is not here is refused to everyone, and fails a test."""

_BY_ENTITY: Final = {Access.ENTITY_PASSWORD, Access.ENTITY_HOLDER}
_ANYONE: Final = {Access.PUBLIC, *_BY_ENTITY}
_BEARER: Final = re.compile(r"bearer +([\x21-\x7e]{1,8192})", re.IGNORECASE)


def authorise() -> None:
    """Note in ``g`` who calls and from where, or raise when they may not."""
    g.address = _address()
    access = _access()
    g.principal = _caller(access)
    g.actor = g.principal.actor(g.address)
    if access not in _ANYONE and access is not None and not access.admits(g.principal):
        raise errors.Forbidden(f"Only {access.who} may do this.")
    _check_reach(access)


def principal() -> Principal:
    """Return who makes this request."""
    return cast("Principal", g.principal)


def is_admin() -> bool:
    """Return whether a request to a route that anyone may call shows that it is an admin's."""
    try:
        caller = services().callers.recognise(_shown())
    except errors.NotAuthenticated:
        return False
    return caller is not None and Role.ADMIN in caller.roles


def shown_certificate() -> str | None:
    """Return the client's certificate (PEM), whose key whoever ends TLS has verified, where such count at all.

    Elsewhere the headers that would hold it are the client's own.
    """
    return _shown().certificate if services().callers.by_certificate else None


def tls_unique() -> bytes | None:
    """Return the tls-unique (RFC 5929 section 3) of the client's TLS session, None unless it ends here."""
    bound_by = getattr(request.environ.get("gunicorn.socket"), "get_channel_binding", None)
    if bound_by is None or _is_within(_peer(), services().trusted_proxies):
        return None
    return cast("bytes | None", bound_by())


def _access() -> Access | None:
    """Return who may call the route, None where there is no such path or method: the router answers."""
    if request.url_rule is None:
        return None
    method = "GET" if request.method == "HEAD" else request.method
    access = ACCESS.get((method, request.url_rule.rule))
    if access is None:
        raise HttpRefusal("This route is open to nobody.", HTTPStatus.FORBIDDEN)
    return access


def _caller(access: Access | None) -> Principal:
    if access is None or access is Access.PUBLIC:
        return Principal("anonymous", "public" if access else "none")
    if (place := _place(access)) is not None:
        return place
    caller = services().callers.recognise(_shown())
    if caller is None and access in _BY_ENTITY:
        return Principal("anonymous", "entity_password")
    if caller is None:
        raise errors.NotAuthenticated("A good token is needed: Authorization: Bearer <token>.")
    return caller


def check_holder(username: str) -> None:
    """Raise :class:`~app.errors.Forbidden` when the caller is of a tenant, and the end entity that enrols of another.

    A name without a tenant is left to the password: devices of an installation that names them by their id alone must
    be able to enrol through the gateway.
    """
    if tenant_of(username) is not None:
        actor().check_reach(username)


def _check_reach(access: Access | None) -> None:
    """Hold a tenant's caller to the tenant's end entities, by the name in the path."""
    username = (request.view_args or {}).get("username")
    if username is None:
        return
    if access in _BY_ENTITY:
        check_holder(username)
    else:
        actor().check_reach(username)


def _place(access: Access) -> Principal | None:
    """Return who may call a route for where they are. What comes by a proxy comes from anywhere."""
    peer = _peer()
    if _is_within(peer, services().trusted_proxies):
        return None
    for role, name, networks in (
        (Role.TRUSTED_NETWORK, "trusted network", services().trusted_networks),
        (Role.METRICS_NETWORK, "monitor", services().metrics_networks),
    ):
        if role in access.roles and _is_within(peer, networks):
            return Principal(name, "socket address", frozenset({role}))
    return None


def _shown() -> Shown:
    """Return what the request shows of its caller; raise when a proxy's address comes with another secret."""
    forwarded = _is_forwarded()
    if not forwarded and PROXY_SECRET in request.headers and _is_within(_peer(), services().trusted_proxies):
        raise errors.NotAuthenticated(f"{PROXY_SECRET} is not the secret in MIDCA_PROXY_SECRET_FILE.")
    bearer = _BEARER.fullmatch(request.headers.get("Authorization", ""))
    return Shown(
        bearer=bearer[1] if bearer else None,
        forwarded=forwarded,
        certificate=_certificate(forwarded=forwarded),
    )


def _certificate(*, forwarded: bool) -> str | None:
    """Return the certificate (PEM) of the client that was verified where its TLS ends: at a trusted proxy, or here.

    A proxy's own says nothing of who is behind it.
    """
    if forwarded:
        verified = request.headers.get(CLIENT_VERIFY) == "SUCCESS"
        return unquote(request.headers.get(CLIENT_CERTIFICATE, "")) if verified else None
    shown_by = getattr(request.environ.get("gunicorn.socket"), "getpeercert", None)
    if shown_by is None or _is_within(_peer(), services().trusted_proxies):
        return None
    der = shown_by(binary_form=True)
    return ssl.DER_cert_to_PEM_cert(der) if der else None


def _is_forwarded() -> bool:
    """Return whether a trusted proxy sent the request on: it has the address of one, and the secret."""
    given = request.headers.get(PROXY_SECRET)
    return (
        given is not None
        and _is_within(_peer(), services().trusted_proxies)
        and hmac.compare_digest(given.encode("latin-1", "replace"), services().proxy_secret)
    )


def _address() -> str:
    """Return where the caller is, for logs and never for trust: what a trusted proxy says that it saw last."""
    if _is_forwarded():
        for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
            address = _ip(hop.strip())
            if address is None:
                break
            if not _is_within(str(address), services().trusted_proxies):
                return str(address)
    return _peer()


def _peer() -> str:
    return request.remote_addr or "-"


def _is_within(text: str, networks: tuple[Network, ...]) -> bool:
    """Return whether a text is an address in one of the networks."""
    address = _ip(text) if networks else None
    return address is not None and any(address in network for network in networks)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
