"""What was done, by whom: appended in the transaction of the act itself, each entry chained to the one before."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.database import Database, Row


class AuditLog:
    """Append-only entries of canonical JSON: sorted keys, ASCII, no floats."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def append(self, now: datetime, entry: dict[str, Any]) -> None:
        """Append an entry inside the open transaction; if it cannot be written, the act fails with it."""
        last = self._last()
        seq = last["seq"] + 1 if last else 1
        text = json.dumps({**entry, "at": to_text(now), "seq": seq}, sort_keys=True, separators=(",", ":"))
        chain = hashlib.sha256(f"{last['chain_sha256'] if last else ''}\n{text}".encode()).hexdigest()
        self._database.insert("audit_log", {"seq": seq, "at": to_text(now), "entry": text, "chain_sha256": chain})

    def last_time(self) -> datetime | None:
        """Return when the last entry was written, or None: the clock should not be behind it."""
        last = self._last()
        return from_text(last["at"]) if last else None

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries in order."""
        return [json.loads(row["entry"]) for row in self._database.rows("SELECT entry FROM audit_log ORDER BY seq")]

    def _last(self) -> Row | None:
        return self._database.row("SELECT seq, at, chain_sha256 FROM audit_log ORDER BY seq DESC LIMIT 1")
