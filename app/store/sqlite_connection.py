"""A connection to an SQLite file, as midca opens it."""

from __future__ import annotations

import fcntl
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Final

import sqlite_utils

from app.errors import StoreUnavailable
from app.store.group_commit import TIMEOUT, Answer, check_in_time
from app.store.sqlite_queue import Queue

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path
else:  # the one that sqlite-utils takes: two libraries on one file in one process undo each other's locks
    from sqlite_utils.utils import sqlite3

_CACHE_KIB: Final = 256  # a connection: there is one for each thread, and the kernel has the pages anyway
# Below this version a rare race between several writers in WAL mode can corrupt the file (sqlite.org, 3.51.3 notes).
WAL_IS_SAFE: Final = sqlite3.sqlite_version_info >= (3, 51, 3)


class Connection:
    """A connection of one thread, and its place in the line for the file."""

    def __init__(self, path: Path, *, wal: bool, shared: bool = False) -> None:
        """Open the file, with a write-ahead log or a rollback journal; ``shared`` between threads that take turns."""
        self._path = path
        self._file = _identity(path)
        if self._file is None:
            # SQLite would make an empty one, and a CA that forgot everything looks like a new CA.
            raise StoreUnavailable("The database is gone.")
        with _translated():
            connection = sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None, check_same_thread=not shared)
            self._database = sqlite_utils.Database(connection, execute_plugins=False)
            connection.execute(f"PRAGMA journal_mode = {'WAL' if wal else 'TRUNCATE'}")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA cache_size = {-_CACHE_KIB}")
            connection.execute("PRAGMA foreign_keys = ON")
        self.queue = Queue(path)

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run a statement; return its cursor."""
        with _translated():
            return self._database.execute(sql, parameters)

    def query(self, sql: str, parameters: Any) -> Answer:
        """Return the names of the columns and all rows of a query."""
        with _translated():
            cursor = self._database.execute(sql, parameters)
            return [column[0] for column in cursor.description], cursor.fetchall()

    def copy_to(self, path: Path) -> None:
        """Copy the database as it is at one moment into an empty file."""
        source = self._database.conn
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
        self._database.close()
        self.queue.close()

    @property
    def in_transaction(self) -> bool:
        """True between BEGIN and its end."""
        return bool(self._database.conn.in_transaction)

    def check_file(self) -> None:
        """Raise unless the file at the path is still the one that was opened: what is written to another is lost."""
        if _identity(self._path) != self._file:
            raise StoreUnavailable("The database file was removed or replaced while it was in use.")


class SqliteWritingConnection(Connection):
    """The connection that a process writes by: it stands in the line while a transaction is open."""

    broken = False  # a file that was replaced is another database: nobody writes to it before a restart

    def begin(self) -> None:
        """Open a transaction. Deferred, one that becomes a writer would be refused as soon as another is at it."""
        deadline = time.monotonic() + TIMEOUT
        self.queue.enter(fcntl.LOCK_EX)
        try:
            check_in_time(deadline)
            self.check_file()
            self.execute("BEGIN IMMEDIATE")
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


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


@contextmanager
def _translated() -> Iterator[None]:
    """Turn the library's errors into ours."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise StoreUnavailable(f"The database cannot be used now: {error}.") from error
