"""A connection to an SQLite file, as midca opens it."""

from __future__ import annotations

import fcntl
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from app.errors import StoreUnavailable
from app.store.group_commit import TIMEOUT, Answer, check_in_time
from app.store.sqlite_files import SqliteFiles
from app.store.sqlite_library import sqlite3
from app.store.sqlite_queue import Queue

if TYPE_CHECKING:
    from pathlib import Path

_CACHE_KIB: Final = 256  # a connection; the kernel has the pages anyway
# Below this version a rare race between several writers in WAL mode can corrupt the file (sqlite.org, 3.51.3 notes).
WAL_IS_SAFE: Final = sqlite3.sqlite_version_info >= (3, 51, 3)


class Connection:
    """A connection that threads take turns at, and its place in the line for the file."""

    def __init__(self, path: Path, *, wal: bool) -> None:
        """Open the file, with a write-ahead log or a rollback journal."""
        self.files = SqliteFiles(path, wal=wal)
        try:
            connection = sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
            connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'TRUNCATE'}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.DatabaseError as error:
            raise _refused(error) from error
        self._connection = connection
        self.queue = Queue(path)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run a statement; return its cursor."""
        try:
            return self._connection.execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise _refused(error) from error

    def query(self, sql: str, parameters: Any) -> Answer:
        """Return the names of the columns and all rows of a query."""
        try:
            cursor = self._connection.execute(sql, parameters)
            return [column[0] for column in cursor.description], cursor.fetchall()
        except sqlite3.DatabaseError as error:
            raise _refused(error) from error

    def copy_to(self, path: Path) -> None:
        """Copy the database as it is at one moment into an empty file."""
        source = self._connection
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as copy:
                copy.execute("PRAGMA journal_mode = OFF")
                copy.execute("PRAGMA synchronous = OFF")
                source.execute("BEGIN")
                try:
                    # The copying waits for a lock without end, this for no longer than any reader.
                    source.execute("SELECT 1 FROM sqlite_master").fetchone()
                    source.backup(copy)
                finally:
                    if source.in_transaction:
                        source.execute("ROLLBACK")
        except sqlite3.DatabaseError as error:
            raise StoreUnavailable(f"The database cannot be copied to {path}: {error}.") from error

    def close(self) -> None:
        """Close it."""
        self._connection.close()
        self.queue.close()

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end."""
        return bool(self._connection.in_transaction)


class SqliteWritingConnection(Connection):
    """The connection that a process writes by: it stands in the line while a transaction is open."""

    def begin(self) -> None:
        """Open a transaction. Deferred, one that becomes a writer would be refused as soon as another is at it."""
        deadline = time.monotonic() + TIMEOUT
        self.queue.enter(fcntl.LOCK_EX)
        try:
            check_in_time(deadline)
            self.files.check()
            self.execute("BEGIN IMMEDIATE")
            self.files.note()
        except BaseException:
            self.queue.leave()
            raise

    def commit(self) -> None:
        """Commit; on failure the transaction is still open."""
        self.execute("COMMIT")
        self.queue.leave()

    def rollback(self) -> None:
        """Take the transaction back, unless SQLite did."""
        try:
            if self.in_transaction:
                self.execute("ROLLBACK")
        finally:
            self.queue.leave()


def _refused(error: Exception) -> StoreUnavailable:
    """Turn the library's error into ours."""
    return StoreUnavailable(f"The database cannot be used now: {error}.")
