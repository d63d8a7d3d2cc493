"""Backups that were made of this database, and restores that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from app.store.database import Database


@dataclass(frozen=True)
class Restore:
    """``entry`` is the number of its audit entry: those before it came with the backup.

    ``verifier`` is the public key that signed checkpoints until then. No revocation list issued since has a number up
    to ``list_number``.
    """

    entry: int
    at: datetime
    verifier: str
    list_number: int


class RestoreStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def all(self) -> list[Restore]:
        """Return all restores, oldest first."""
        rows = self._database.rows("SELECT entry, at, verifier, list_number FROM restores ORDER BY entry")
        return [Restore(**row | {"at": from_text(row["at"])}) for row in rows]

    def add(self, restore: Restore) -> None:
        """Record a restore."""
        self._database.insert("restores", {**vars(restore), "at": to_text(restore.at)})

    def last_backup(self) -> datetime | None:
        """Return when the last backup was made."""
        row = self._database.row("SELECT at FROM backups ORDER BY entry DESC LIMIT 1")
        return from_text(row["at"]) if row else None

    def add_backup(self, entry: int, now: datetime) -> None:
        """Record that a backup was made."""
        self._database.insert("backups", {"entry": entry, "at": to_text(now)})
