"""Who asks for an act, for the audit log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from app.store.audit_log import Action, AuditEntry


@dataclass(frozen=True)
class Actor:
    """``name`` is who, ``how`` the way they showed it (e.g. ``bearer token``), ``address`` the socket's peer."""

    name: str
    how: str
    address: str = "-"

    def entry(
        self, action: Action, name: str, details: Mapping[str, object] | None = None, *, result: str = "ok"
    ) -> AuditEntry:
        """Return the audit entry of an act of this actor on the object called ``name``."""
        return AuditEntry(self.name, self.how, self.address, action, name, result, details or {})


SYSTEM = Actor("midca", "start")
