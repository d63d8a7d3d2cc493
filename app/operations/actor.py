"""Who asks for an act, for the audit log."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Actor:
    """``name`` is who, ``how`` the way they showed it (e.g. ``bearer token``), ``address`` the socket's peer."""

    name: str
    how: str
    address: str = "-"

    def as_entry(self) -> dict[str, str]:
        """Return the actor's part of an audit entry."""
        return {"actor": self.name, "how": self.how, "address": self.address}


SYSTEM = Actor("midca", "start")
