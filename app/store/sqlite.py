"""SQLite as midca's database: a connection per thread to read, one per process to write."""

from __future__ import annotations

import os
from contextlib import nullcontext
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, StoreUnavailable
from app.store.group_commit import Answer
from app.store.sqlite_connection import WAL_IS_SAFE, Connection, SqliteWritingConnection
from app.store.written_together import WrittenTogether

if TYPE_CHECKING:
    from pathlib import Path


class SqliteDatabase(WrittenTogether):
    """A database file."""

    def __init__(self, path: Path, *, wal: bool = WAL_IS_SAFE) -> None:
        """Take the path of the database file. ``wal``: write-ahead log or rollback journal."""
        super().__init__()
        self.path = path
        self._wal = wal

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
        """Close this thread's connection too."""
        connection, _ = getattr(self._local, "reader", None) or (None, None)
        if connection is not None:
            connection.close()
            self._local.reader = None
        super().close()

    def copy_to(self, path: Path, migrations: Path) -> None:  # noqa: ARG002 -- the schema is in the file
        """Copy the file. With a rollback journal nobody writes meanwhile; it is several hundred megabytes a second."""
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        connection = self._reader()
        with nullcontext() if self._wal else connection.queue.reading():
            connection.copy_to(path)

    def _read(self, sql: str, parameters: dict[str, object]) -> Answer:
        connection = self._reader()
        # With a rollback journal readers meet SQLite's busy handler at every commit, so they queue with the writers.
        with nullcontext() if self._wal else connection.queue.reading():
            return connection.query(sql, parameters)

    def _reader(self) -> Connection:
        connection, pid = getattr(self._local, "reader", None) or (None, None)
        if connection is None or pid != os.getpid():
            connection = Connection(self.path, wal=self._wal)
            self._local.reader = connection, os.getpid()
        return connection

    def _open_writer(self) -> SqliteWritingConnection:
        return SqliteWritingConnection(self.path, wal=self._wal, shared=True)


def check_readable(database: SqliteDatabase) -> None:
    """Raise :class:`ConfigurationError` when the file is no database; how large it is does not matter."""
    try:
        database.rows("SELECT name FROM sqlite_master")
    except StoreUnavailable as error:
        raise ConfigurationError(f"{database.path}: {error}") from error
