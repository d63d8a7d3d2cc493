"""Brings the database's schema up to date: each file of ``migrations/`` once, in order, all in one transaction."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from app.errors import ConfigurationError
from app.store.database import Database, check_readable

if TYPE_CHECKING:
    from pathlib import Path


def opened(path: Path, migrations: Path) -> Database:
    """Return the database in ``path``, a new one where there is none, brought up to date.

    Raises :class:`ConfigurationError` when it is no database, or a newer program's.
    """
    database = Database.create(path)
    try:
        check_readable(database)
        migrate(database, migrations)
    except BaseException:
        database.close()
        raise
    return database


def migrate(database: Database, directory: Path) -> list[str]:
    """Apply what is missing and return the names applied; safe to call from any number of processes at once.

    Raises :class:`ConfigurationError` when the database was written by a newer program, which knows migrations that
    this one does not.
    """
    files = {path.stem: path for path in sorted(directory.glob("*.sql"))}
    with database.transaction():
        database.execute("CREATE TABLE IF NOT EXISTS schema_migrations (name TEXT PRIMARY KEY)")
        applied = {row["name"] for row in database.rows("SELECT name FROM schema_migrations")}
        if unknown := sorted(applied - files.keys()):
            raise ConfigurationError(
                f"The database {database.path} was written by a newer midca (it has {', '.join(unknown)}); "
                "use that version or a newer one."
            )
        missing = [name for name in files if name not in applied]
        for name in missing:
            database.script(_statements(files[name].read_text(encoding="utf-8")))
            database.insert("schema_migrations", {"name": name})
    return missing


def _statements(script: str) -> list[str]:
    """Split at the semicolons that end a statement, as SQLite itself sees them."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
