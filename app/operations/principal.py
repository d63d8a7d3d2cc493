"""Who calls, and what they may do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.operations.actor import Actor


class Role(StrEnum):
    """What a caller may be. The last two are not given to anyone: they are places a request comes from."""

    ADMIN = "admin"
    REGISTRAR = "registrar"
    AUDITOR = "auditor"
    TRUSTED_NETWORK = "trusted network"
    METRICS_NETWORK = "metrics network"


GIVEN: Final = (Role.ADMIN, Role.REGISTRAR, Role.AUDITOR)
"""The roles that a token can give."""


@dataclass(frozen=True)
class Principal:
    """A caller, by whatever way they showed who they are; with a ``tenant`` they reach its end entities alone."""

    name: str
    how: str
    roles: frozenset[Role] = frozenset()
    tenant: str | None = None

    def actor(self, address: str) -> Actor:
        """Return them as the one who asks, from that address."""
        return Actor(self.name, self.how, address, self.tenant)

    @property
    def may_replace_good(self) -> bool:
        """True when an end entity may be registered anew although it has a certificate that is good."""
        return not self.roles.isdisjoint({Role.ADMIN, Role.TRUSTED_NETWORK})
