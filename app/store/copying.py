"""Takes all rows of one database into another that is empty, and compares the two."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from app.errors import Conflict, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.store.database import Database

TABLES: Final = {
    "end_entities": ("username",),
    "password_failures": ("subject",),
    "certificates": ("ca_name", "serial"),
    "access_tokens": ("name",),
    "audit_log": ("seq",),
    "audit_checkpoints": ("size",),
    "revocation_lists": ("tbs_sha256",),
    "revocation_revisions": ("ca_name",),
    "device_events": ("username", "change"),
    "event_readers": ("reader",),
    "event_counts": ("kind", "label"),
    "backups": ("entry",),
    "restores": ("entry",),
    "offline_authorities": ("ca_name",),
}
"""Every table but that of the migrations, with its primary key; a test compares it with the schema."""
_PAGE: Final = 2000


Rows = Callable[..., list[dict[str, Any]]]
"""Answers a query as :meth:`Database.rows` does."""


def counts(database: Database) -> dict[str, int]:
    """Return how many rows each table has."""
    return {
        table: int(database.tuples(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 -- from above # nosec B608
        for table in TABLES
    }


def copy(source: Database, target: Database) -> dict[str, int]:
    """Copy all rows while nobody writes to ``source``; return how many rows of each table, each compared by its hash.

    Both have the same schema. Raises :class:`Conflict` when ``target`` is not empty.
    """
    if any(counts(target).values()):
        raise Conflict("The database to copy to is not empty.")
    with source.transaction():
        fill(target, source.rows)
        copied = counts(source)
        for table in TABLES:
            if _digest(source, table) != _digest(target, table):
                raise StoreUnavailable(f"The copy of {table} differs; empty the target and copy again.")
    return copied


def fill(target: Database, rows: Rows) -> None:
    """Put all that ``rows`` reads into an empty database, in one transaction."""
    with target.transaction():
        for table in TABLES:
            for page in _pages(rows, table):
                for row in page:
                    target.insert(table, row)


def _pages(rows: Rows, table: str) -> Iterator[list[dict[str, Any]]]:
    key = TABLES[table]
    columns, names = ", ".join(key), ", ".join(f":{column}" for column in key)
    # The names are those above, the values parameters.
    first = f"SELECT * FROM {table} ORDER BY {columns} LIMIT {_PAGE}"  # noqa: S608 # nosec B608
    rest = f"SELECT * FROM {table} WHERE ({columns}) > ({names}) ORDER BY {columns} LIMIT {_PAGE}"  # noqa: S608 # nosec B608
    page = rows(first)
    while page:
        yield page
        page = rows(rest, **{column: page[-1][column] for column in key})


def _digest(database: Database, table: str) -> str:
    """Return the SHA-256 over all rows in the order of their key."""
    digest = hashlib.sha256()
    for page in _pages(database.rows, table):
        for row in page:
            digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")
    return digest.hexdigest()
