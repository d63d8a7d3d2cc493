"""The one door to the database: a connection per process and thread, and transactions that never fail half-way.

Two habits matter, both measured. Every write transaction is ``BEGIN IMMEDIATE``: a deferred one that turns into a
writer is refused at once with "database is locked", whatever the timeout. And writers queue at an advisory file lock
before they ask SQLite: its own busy handler sleeps and retries, which under eight writers makes the slowest wait twenty
times the median. With a rollback journal readers meet the same handler at every commit, so they queue too. Whoever
queues passes a gate first, one at a time: a writer that waits there holds up the readers behind it. Without the gate
six busy readers kept a writer waiting for seconds, because a shared lock is granted as long as another one is held.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Final

import sqlite_utils

from app.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Row = dict[str, Any]

_TIMEOUT: Final = 10.0
# Below this version a rare race between several writers in WAL mode can corrupt the file (sqlite.org, 3.51.3 notes).
_WAL_IS_SAFE: Final = (3, 51, 3)


class Database:
    """SQLite behind named parameters (``:name``) and rows as dicts.

    Reads see the last commit. Writes need an open :meth:`transaction`. Every failure of the database, a broken
    constraint too, becomes :class:`StoreUnavailable`: what callers can get wrong is checked before it is written.
    """

    def __init__(self, path: Path) -> None:
        """Take the path of the database file; nothing is opened yet."""
        self.path = path
        self._local = threading.local()

    @classmethod
    def create(cls, path: Path) -> Database:
        """Make an empty database file, readable by its owner alone, unless there is one.

        Raises :class:`ConfigurationError` when this process may not write it.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be opened for writing: {error.strerror}.") from error
        return cls(path)

    def rows(self, sql: str, **parameters: object) -> list[Row]:
        """Return all rows of a query."""
        connection = self._connection()
        with _translated(), self._queue(fcntl.LOCK_SH, wait=not connection.conn.in_transaction):
            cursor = connection.execute(sql, parameters)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def tuples(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples, where there are so many that dicts would show."""
        connection = self._connection()
        with _translated(), self._queue(fcntl.LOCK_SH, wait=not connection.conn.in_transaction):
            return connection.execute(sql, parameters).fetchall()

    def row(self, sql: str, **parameters: object) -> Row | None:
        """Return the first row of a query, or None."""
        rows = self.rows(sql, **parameters)
        return rows[0] if rows else None

    def execute(self, sql: str, **parameters: object) -> int:
        """Run one writing statement inside the open transaction; return how many rows it changed."""
        connection = self._connection()
        if not connection.conn.in_transaction:
            raise RuntimeError("a write outside of a transaction")
        with _translated():
            return connection.execute(sql, parameters).rowcount

    def insert(self, table: str, row: Row) -> None:
        """Insert one row inside the open transaction; ``table`` and the keys are names from this code, never input."""
        columns = ", ".join(row)
        values = ", ".join(f":{column}" for column in row)
        self.execute(f"INSERT INTO {table} ({columns}) VALUES ({values})", **row)  # noqa: S608 # nosec B608

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one durable transaction: on leaving it, all of it is on disk, or none of it happened."""
        connection = self._connection().conn
        deadline = time.monotonic() + _TIMEOUT
        with self._queue(fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StoreUnavailable("The database is busy.")
            if self._identity() != self._local.file:
                # What is written to a file that was removed or replaced is written nowhere.
                raise StoreUnavailable("The database file was removed or replaced while it was in use.")
            with _translated():
                connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                with _translated():
                    connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def check_writable(self) -> None:
        """Raise :class:`StoreUnavailable` unless a write transaction can be opened now."""
        with self.transaction():
            self.rows("SELECT 1")

    def script(self, statements: list[str]) -> None:
        """Run schema statements inside the open transaction."""
        for statement in statements:
            self.execute(statement)

    def close(self) -> None:
        """Close this thread's connection."""
        for name in ("connection", "gate", "queue"):
            if hasattr(self._local, name):
                getattr(self._local, name).close()
                delattr(self._local, name)
        self._local.pid = None

    def _connection(self) -> sqlite_utils.Database:
        """Return this thread's connection; one that a parent process opened is not used after a fork."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.connection = self._open()
            self._local.gate = self._lock_file("gate")
            self._local.queue = self._lock_file("lock")
            self._local.file = self._identity()
            self._local.pid = os.getpid()
        connection: sqlite_utils.Database = self._local.connection
        return connection

    @contextmanager
    def _queue(self, kind: int, *, wait: bool = True) -> Iterator[None]:
        """Stand in the queue of all processes: readers together (LOCK_SH), a writer alone (LOCK_EX)."""
        if not wait:
            yield
            return
        fcntl.flock(self._local.gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._local.queue, kind)
        finally:
            fcntl.flock(self._local.gate, fcntl.LOCK_UN)
        try:
            yield
        finally:
            fcntl.flock(self._local.queue, fcntl.LOCK_UN)

    def _lock_file(self, suffix: str) -> BinaryIO:
        lock = self.path.with_name(f"{self.path.name}.{suffix}")
        try:
            return os.fdopen(os.open(lock, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
        except OSError as error:
            raise StoreUnavailable(f"{lock} cannot be opened: {error.strerror}.") from error

    def _identity(self) -> tuple[int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino

    def _open(self) -> sqlite_utils.Database:
        if not self.path.exists():
            # SQLite would make an empty one, and a CA that forgot everything looks like a new CA.
            raise StoreUnavailable("The database is gone.")
        with _translated():
            connection = sqlite3.connect(self.path, timeout=_TIMEOUT, isolation_level=None)
            database = sqlite_utils.Database(connection, execute_plugins=False)
            journal = "WAL" if sqlite3.sqlite_version_info >= _WAL_IS_SAFE else "TRUNCATE"
            connection.execute(f"PRAGMA journal_mode = {journal}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        return database


def check_readable(database: Database) -> None:
    """Raise :class:`ConfigurationError` when the file is no database; how large it is does not matter."""
    try:
        database.rows("SELECT name FROM sqlite_master")
    except StoreUnavailable as error:
        raise ConfigurationError(f"{database.path}: {error}") from error


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"The database cannot be used now: {error}.") from error
