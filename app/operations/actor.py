"""Who asks for an act, for the audit log, and which end entities they reach."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import Forbidden
from app.pki.end_entity import tenant_of
from app.store.audit_log import Action, AuditEntry


@dataclass(frozen=True)
class Actor:
    """``name`` is who, ``how`` the way they showed it (e.g. ``bearer token``), ``address`` where they are.

    Who is of a ``tenant`` reaches the end entities of that one alone.
    """

    name: str
    how: str
    address: str = "-"
    tenant: str | None = None

    def entry(
        self, action: Action, name: str, details: Mapping[str, object] | None = None, *, result: str = "ok"
    ) -> AuditEntry:
        """Return the audit entry of an act of this actor on the object called ``name``."""
        return AuditEntry(self.name, self.how, self.address, action, name, result, details or {}, self.tenant)

    def reaches(self, username: str) -> bool:
        """Return whether this is the name of an end entity that may be looked at."""
        return self.tenant is None or tenant_of(username) == self.tenant

    def check_reach(self, username: str) -> None:
        """Raise :class:`Forbidden` for a name out of reach: by the name alone, so that nobody learns what is there."""
        if not self.reaches(username):
            raise Forbidden(f"A caller of the tenant {self.tenant} reaches the end entities {self.tenant}:* alone.")


SYSTEM = Actor("midca", "start")
