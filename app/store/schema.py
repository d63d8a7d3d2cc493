"""Brings the database's schema up to date: each file of ``migrations/`` once, in order, all in one transaction."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from tempfile import TemporaryDirectory

from app.errors import ConfigurationError
from app.store.database import Database, check_readable


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
        known = set(applied(database))
        if unknown := sorted(known - files.keys()):
            raise ConfigurationError(
                f"The database {database.path} was written by a newer midca (it has {', '.join(unknown)}); "
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


def differences(database: Database, directory: Path) -> list[str]:
    """Return the tables and indexes that are not as the migrations make them in an empty database."""
    with TemporaryDirectory() as empty:
        fresh = opened(Path(empty) / "fresh.sqlite", directory)
        expected = _definitions(fresh)
        fresh.close()
    return sorted({name for name, _ in expected ^ _definitions(database)})


def _definitions(database: Database) -> set[tuple[str, str]]:
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    return {(row["name"], row["sql"]) for row in rows}


def _statements(script: str) -> list[str]:
    """Split at the semicolons that end a statement, as SQLite itself sees them."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return statements
