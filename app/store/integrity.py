"""Whether the database file is whole: what SQLite itself finds wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.store.database import Database

_SHOWN: Final = 10


def problems(database: Database) -> list[str]:
    """Return what SQLite finds wrong, the first of it; this reads the whole file, and writers wait meanwhile."""
    found = [text for (text,) in database.tuples(f"PRAGMA integrity_check({_SHOWN})") if text != "ok"]
    for table, row, parent, _ in database.tuples("PRAGMA foreign_key_check")[:_SHOWN]:
        found.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    return found
