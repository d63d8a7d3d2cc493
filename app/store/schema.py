"""Brings the database's schema up to date: each file of ``migrations/`` once, in order, all in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import ConfigurationError, StoreUnavailable
from app.store.sqlite_library import sqlite3

if TYPE_CHECKING:
    from pathlib import Path

    from app.store.database import Database


def migrate(database: Database, directory: Path) -> list[str]:
    """Apply what is missing and return the names applied; safe to call from any number of processes at once.

    Raises :class:`ConfigurationError` when the database was written by a newer program, which knows migrations that
    this one does not.
    """
    files = {path.stem: path for path in sorted(directory.iterdir()) if path.suffix == ".sql"}
    with database.transaction():
        database.script(["CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)"])
        known = set(applied(database))
        if unknown := sorted(known - files.keys()):
            raise ConfigurationError(
                f"The database was written by a newer midca (it has {', '.join(unknown)}); "
                "use that version or a newer one."
            )
        missing = [name for name in files if name not in known]
        for name in missing:
            database.script(_statements(files[name].read_text(encoding="utf-8")))
            database.insert("schema_migrations", {"name": name})
    return missing


def applied(database: Database) -> list[str]:
    """Return the names of the migrations that the database went through."""
    return [row["name"] for row in database.rows("SELECT name FROM schema_migrations ORDER BY name")]


def is_new(database: Database) -> bool:
    """Return whether no migration was ever applied."""
    try:
        return not database.rows("SELECT name FROM schema_migrations")
    except StoreUnavailable:
        database.rows("SELECT 1")  # raises if it is the database itself that is not there
        return True


def _statements(script: str) -> list[str]:
    """Split at the semicolons that end a statement, as SQLite itself sees them."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
