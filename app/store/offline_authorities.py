"""Which CAs have their key elsewhere."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from app.store.times import to_text

if TYPE_CHECKING:
    from app.store.database import Database


class OfflineAuthorityStore:
    """Reads and writes; the writes need an open transaction. A CA that is offline stays so."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def names(self) -> set[str]:
        """Return the names of all of them."""
        return {row["ca_name"] for row in self._database.rows("SELECT ca_name FROM offline_authorities")}

    def add(self, name: str, now: datetime) -> None:
        """Record that the key of the CA is kept elsewhere, from before it is made."""
        self._database.insert("offline_authorities", {"ca_name": name, "since": to_text(now)})
