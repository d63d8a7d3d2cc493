"""Whether a database is whole: what SQLite itself finds wrong, and what is not as the migrations make it.

The files of a PostgreSQL are looked after by those who run it.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import sqlite_utils

from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from app.store.database import Database

_SHOWN: Final = 10
_POSTGRESQL_NAMES: Final = (
    "SELECT indexname::text FROM pg_indexes WHERE schemaname = current_schema() UNION ALL "
    "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = current_schema()"
)


def problems(database: Database) -> list[str]:
    """Return what SQLite finds wrong, the first of it; this reads the whole file, and writers may wait meanwhile."""
    if not isinstance(database, SqliteDatabase):
        return []
    found = [text for (text,) in database.tuples(f"PRAGMA integrity_check({_SHOWN})") if text != "ok"]
    for table, row, parent, _ in database.tuples("PRAGMA foreign_key_check")[:_SHOWN]:
        found.append(f"row {row} of {table} refers to a row of {parent} that is not there")
    return found


def differences(database: Database, migrations: Path) -> list[str]:
    """Return the tables and indexes that are not as the migrations make them in an empty database.

    Of a PostgreSQL, which writes them in its own words and may have more, the indexes and columns that are missing.
    """
    with TemporaryDirectory() as empty:
        fresh = SqliteDatabase.create(Path(empty) / "fresh.sqlite")
        migrate(fresh, migrations)
        expected, names = _definitions(fresh), _names(fresh)
        fresh.close()
    if isinstance(database, SqliteDatabase):
        return sorted({name for name, _ in expected ^ _definitions(database)})
    return sorted(names - {name for (name,) in database.tuples(_POSTGRESQL_NAMES)})


def version(database: Database) -> str:
    """Return which database it is, and of what version."""
    if isinstance(database, SqliteDatabase):
        return f"SQLite {database.tuples('SELECT sqlite_version()')[0][0]}"
    return f"PostgreSQL {database.tuples('SHOW server_version')[0][0]}"


def _names(made: SqliteDatabase) -> set[str]:
    """Return the indexes that have a name of their own, and table.column for each column."""
    with closing(sqlite_utils.Database(made.path, execute_plugins=False)) as schema:
        tables = schema.tables
        columns = {f"{table.name}.{column.name}" for table in tables for column in table.columns}
        return columns | {index.name for table in tables for index in table.indexes if index.origin == "c"}


def _definitions(database: Database) -> set[tuple[str, str]]:
    rows = database.rows("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
    return {(row["name"], row["sql"]) for row in rows}
