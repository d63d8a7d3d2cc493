"""What the claims in another service's token (RFC 7519 section 4) make of its holder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.errors import NotAuthenticated
from app.operations.principal import Principal, Role
from app.pki.end_entity import TENANT
from app.pki.text import name_problem

_MAX_NAME_BYTES: Final = 255


@dataclass(frozen=True)
class Claims:
    """The claims of a token that was verified, by midca or by who stands in front of it."""

    claims: Mapping[str, Any]

    def name(self, *claims: str) -> str:
        """Return the first of the claims that can be a name, for logs; raise :class:`NotAuthenticated` without one."""
        for claim in claims:
            name = self.claims.get(claim)
            if isinstance(name, str) and name_problem(name, max_bytes=_MAX_NAME_BYTES) is None:
                return name
        raise NotAuthenticated("The token does not say whose it is.")

    def tenant(self, claim: str) -> str:
        """Return the tenant; raise :class:`NotAuthenticated` without one: its absence must not mean all of them."""
        return checked_tenant(self._value(claim))

    def roles(self, claim: str) -> Iterator[str]:
        """Yield what the token calls its holder's roles: a list, or one."""
        value = self._value(claim)
        yield from (role for role in (value if isinstance(value, list) else [value]) if isinstance(role, str))

    def _value(self, claim: str) -> object:
        """Return a claim by its name, or by a path with dots such as Keycloak's ``realm_access.roles``."""
        if claim in self.claims:
            return self.claims[claim]
        value: object = self.claims
        for part in claim.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


@dataclass(frozen=True)
class RoleNames:
    """``roles``: what tokens call a role, and which it is here. ``admin_tenant``: whose people run the CA."""

    roles: Mapping[str, Role]
    admin_tenant: str | None

    def principal(self, name: str, how: str, called: Iterator[str], tenant: str | None) -> Principal:
        """Return the caller. An admin of a tenant is a registrar here, but for one of the tenant that runs the CA.

        A tenant's people make their own roles, so none of theirs may reach beyond their tenant.
        """
        roles = {self.roles[role] for role in called if role in self.roles}
        if tenant is not None and tenant == self.admin_tenant:
            tenant = None
        elif tenant is not None and Role.ADMIN in roles:
            roles = (roles - {Role.ADMIN}) | {Role.REGISTRAR}
        return Principal(f"user {name}", how, frozenset(roles), tenant)


def checked_tenant(tenant: object) -> str:
    """Return what can be a tenant, or raise :class:`NotAuthenticated`."""
    if not isinstance(tenant, str) or not TENANT.fullmatch(tenant):
        raise NotAuthenticated("The token names no tenant.")
    return tenant
