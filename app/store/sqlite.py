"""SQLite as midca's database: connections to read, as many as read at once, and one per process to write."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError, StoreUnavailable
from app.store.group_commit import Answer
from app.store.sqlite_connection import WAL_IS_SAFE, Connection, SqliteWritingConnection
from app.store.written_together import WrittenTogether

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_KEPT: Final = 2  # of the connections that nobody reads by: rarely do more at once, and each takes 0.4 MB


class SqliteDatabase(WrittenTogether):
    """A database file."""

    def __init__(self, path: Path, *, wal: bool = WAL_IS_SAFE) -> None:
        """Take the path of the database file. ``wal``: write-ahead log or rollback journal."""
        super().__init__()
        self.path = path
        self._wal = wal
        self._idle: list[Connection] = []
        self._idle_pid = os.getpid()

    @classmethod
    def create(cls, path: Path) -> SqliteDatabase:
        """Make an empty database file, readable by its owner alone, unless there is one.

        Raises :class:`ConfigurationError` when this process may not write it.
        """
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be opened for writing: {error.strerror}.") from error
        return cls(path)

    def close(self) -> None:
        """Close the connections that nobody reads by, too."""
        while self._idle:
            self._idle.pop().close()
        super().close()

    def copy_to(self, path: Path, migrations: Path) -> None:  # noqa: ARG002 -- the schema is in the file
        """Copy the file. With a rollback journal nobody writes meanwhile; it is several hundred megabytes a second."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with self._reader() as connection:
            connection.copy_to(path)

    def _read(self, sql: str, parameters: dict[str, object]) -> Answer:
        with self._reader() as connection:
            return connection.query(sql, parameters)

    @contextmanager
    def _reader(self) -> Iterator[Connection]:
        """Have a connection for the block: the one that was used last, with its statements at hand, or a new one."""
        if self._idle_pid != os.getpid():
            self._idle, self._idle_pid = [], os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = Connection(self.path, wal=self._wal)
        try:
            # With a rollback journal readers meet SQLite's busy handler at every commit, so they queue with writers.
            with nullcontext() if self._wal else connection.queue.reading():
                yield connection
        finally:
            if len(self._idle) < _KEPT:
                self._idle.append(connection)
            else:
                connection.close()

    def _open_writer(self) -> SqliteWritingConnection:
        return SqliteWritingConnection(self.path, wal=self._wal)


def check_readable(database: SqliteDatabase) -> None:
    """Raise :class:`ConfigurationError` when the file is no database; how large it is does not matter."""
    try:
        database.rows("SELECT name FROM sqlite_master")
    except StoreUnavailable as error:
        raise ConfigurationError(f"{database.path}: {error}") from error
