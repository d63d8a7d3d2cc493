"""The one door to the database, whichever it is: named parameters, rows as dicts, and transactions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import fields
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from app.errors import InvalidInput

Row = dict[str, Any]


class Database(ABC):
    """SQL with named parameters (``:name``).

    Reads see the last commit, or what the open transaction wrote. Writes need an open :meth:`transaction`. Every
    failure of the database, a broken constraint too, becomes :class:`app.errors.StoreUnavailable`: what callers can get
    wrong is checked before it is written. A text with a NUL is :class:`app.errors.InvalidInput`, in a query too.
    """

    @abstractmethod
    def rows(self, sql: str, **parameters: object) -> list[Row]:
        """Return all rows of a query."""

    @abstractmethod
    def tuples(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples, where there are so many that dicts would show."""

    @abstractmethod
    def execute(self, sql: str, **parameters: object) -> int:
        """Run one writing statement inside the open transaction; return how many rows it changed."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Run the block as one durable transaction: on leaving it, all of it is on disk, or none of it happened."""

    @abstractmethod
    def close(self) -> None:
        """Close what this thread has open; the next use opens it again."""

    @abstractmethod
    def copy_to(self, path: Path, migrations: Path) -> None:
        """Copy all there is at one moment into a new SQLite file, readable by its owner alone; it is not synchronised.

        ``migrations`` are those that this database went through.
        """

    def time(self) -> datetime | None:
        """Return what time it is where the database is; None where that is this machine."""
        return None

    def row(self, sql: str, **parameters: object) -> Row | None:
        """Return the first row of a query, or None."""
        rows = self.rows(sql, **parameters)
        return rows[0] if rows else None

    def insert(self, table: str, row: Row) -> None:
        """Insert one row inside the open transaction; ``table`` and the keys are names from this code, never input."""
        self.execute(_insertion(table, tuple(row)), **row)

    def script(self, statements: list[str]) -> None:
        """Run schema statements inside the open transaction."""
        for statement in statements:
            self.execute(statement)

    def check_writable(self) -> None:
        """Raise :class:`app.errors.StoreUnavailable` unless a write transaction can be opened now."""
        with self.transaction():
            self.rows("SELECT 1")


def columns_of(record: type[Any]) -> str:
    """Return the columns of the table whose rows a dataclass holds, to be read by name.

    Never ``*``: a newer midca may add a column while this one runs, which then has to go on with those it knows, and
    PostgreSQL ends for good every statement that a session has prepared and that would now bring another column.
    """
    return ", ".join(field.name for field in fields(record))


def check_texts(parameters: Row) -> None:
    """Raise :class:`InvalidInput` for a text with a NUL, which PostgreSQL cannot hold, nor be asked for.

    It is not the database that fails then, and asking again does not help.
    """
    for value in parameters.values():  # at every statement, so without a generator
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput("What was sent holds the character U+0000, which nothing on record does.")


@cache
def _insertion(table: str, columns: tuple[str, ...]) -> str:
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"  # noqa: S608 # nosec B608
