"""PostgreSQL as midca's database: for several servers, or one that others look after.

The audit log is one chain, so what is written has one order. A write transaction therefore takes an advisory lock, as
SQLite's takes the file: between two of them nothing can come, and every check before a write holds until its commit.
Requests that come together share a commit (see :mod:`app.store.group_commit`), so that the lock is taken once for them.
"""

from __future__ import annotations

import logging
import os
import re
from contextlib import closing, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.errors import ConfigurationError, StoreUnavailable
from app.store.copying import fill
from app.store.group_commit import TIMEOUT, Answer
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase
from app.store.written_together import WrittenTogether

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from app.store.database import Row

_log = logging.getLogger("midca")
_Connection = psycopg.Connection[tuple[Any, ...]]
_WRITERS: Final = 0x6D696463  # the key of the advisory lock: "midc"
_LOCK: Final = "SELECT current_setting('transaction_read_only'), pg_advisory_xact_lock(:key)"
_PARAMETER: Final = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
_INTEGER: Final = re.compile(r"\bINTEGER\b")
_TEXT: Final = re.compile(r"\bTEXT\b")
_OPTIONS: Final = {
    "autocommit": True,
    "connect_timeout": int(TIMEOUT),
    "application_name": "midca",
    # A server that is cut off must not keep requests waiting for as long as TCP does, which is a quarter of an hour.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": int(TIMEOUT * 1000),
    # A node that is cut off must not hold what the others wait for; the server finds out by asking for signs of life.
    "options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s -c tcp_keepalives_idle=10 "
    "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c synchronous_commit=on",
}


class PostgresDatabase(WrittenTogether):
    """A database by its address, ``postgresql://…``; its password may be in the usual file or variable of libpq."""

    def __init__(self, address: str, readers: int) -> None:
        """Take the address, and how many connections to read by a process keeps. Nothing is opened yet.

        Raises :class:`ConfigurationError` when it cannot be read; libpq would repeat it, password and all.
        """
        super().__init__()
        try:
            conninfo_to_dict(address)
        except psycopg.ProgrammingError:
            raise ConfigurationError("MIDCA_DATABASE cannot be read as the address of a PostgreSQL.") from None
        self.address = address
        self._kept = readers
        self._idle: list[_Connection] = []
        self._idle_pid = os.getpid()

    def script(self, statements: list[str]) -> None:
        """Run schema statements in PostgreSQL's types: SQLite's integers have 64 bits, its text is in byte order."""
        super().script([_TEXT.sub('TEXT COLLATE "C"', _INTEGER.sub("BIGINT", each)) for each in statements])

    def copy_to(self, path: Path, migrations: Path) -> None:
        """Copy all rows of one snapshot; others read and write meanwhile."""
        target = SqliteDatabase(path)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        with closing(target), _translated(), closing(_connected(self.address)) as session:
            session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            migrate(target, migrations)

            def rows(sql: str, **parameters: object) -> list[Row]:
                names, found = _answer(session, sql, parameters)
                return [dict(zip(names, row, strict=True)) for row in found]

            fill(target, rows)

    def time(self) -> datetime:
        """Return the time of the database's server, which is the same for all that use it."""
        ((now,),) = self.tuples("SELECT clock_timestamp()")
        return cast("datetime", now)

    def close(self) -> None:
        """Close the connections that nobody reads by, too."""
        self._close_idle()
        super().close()

    def _close_idle(self) -> None:
        while self._idle:
            self._idle.pop().close()

    def _read(self, sql: str, parameters: dict[str, object]) -> Answer:
        with _translated(), self._reading() as connection:
            return _answer(connection, sql, parameters)

    @contextmanager
    def _reading(self) -> Iterator[_Connection]:
        """Have a connection for the block; whoever cannot have one hears so at once, and the next one tries again.

        A pool that others have written makes its callers wait while it tries, the longer the longer the server is away.
        """
        connection = self._reader()
        try:
            yield connection
        finally:
            if connection.closed or len(self._idle) >= self._kept:
                connection.close()
            else:
                self._idle.append(connection)

    def _reader(self) -> _Connection:
        """Return the connection that was used last, if the server still knows it, or a new one."""
        if self._idle_pid != os.getpid():
            self._idle, self._idle_pid = [], os.getpid()
        try:
            connection = self._idle.pop()
        except IndexError:
            return _connected(self.address)
        try:
            connection.execute("")
        except psycopg.Error:  # the server was restarted: it knows none of them
            connection.close()
            self._close_idle()
            return _connected(self.address)
        return connection

    def _open_writer(self) -> PostgresWritingConnection:
        return PostgresWritingConnection(self.address)


class PostgresWritingConnection:
    """The session that a process writes by; its transactions hold the lock that all writers take."""

    def __init__(self, address: str) -> None:
        """Connect."""
        self._address = address
        self._connection = _connected(address)

    def begin(self) -> None:
        """Open a transaction once no other writer has one, by a new session if the last one has ended."""
        try:
            self.execute("BEGIN")
        except StoreUnavailable:
            if not self._connection.closed:
                raise
            self._connection = _connected(self._address)
            self.execute("BEGIN")
        try:
            _, ((read_only, _),) = self.query(_LOCK, {"key": _WRITERS})
        except StoreUnavailable:
            self.rollback()
            raise
        if read_only == "on":  # a standby, or a disk that is nearly full: a new session finds out when that has changed
            self.close()
            raise StoreUnavailable("The database can only be read now.")

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run a statement; return its cursor."""
        with _translated():
            return self._connection.execute(_converted(sql), parameters or None)

    def query(self, sql: str, parameters: Any) -> Answer:
        """Return the names of the columns and all rows of a query."""
        with _translated():
            return _answer(self._connection, sql, parameters)

    def commit(self) -> None:
        """Make it durable, and let others write.

        A transaction that went on after a failed statement is taken back: the server says ROLLBACK, and no error.
        """
        if self.execute("COMMIT").statusmessage != "COMMIT":
            raise StoreUnavailable("The database cannot be used now: the transaction was taken back.")

    def rollback(self) -> None:
        """Take it back; the server does when the session is over."""
        if not self._connection.closed:
            self.execute("ROLLBACK")

    def close(self) -> None:
        """End the session."""
        self._connection.close()


class PostgresTurn:
    """An advisory lock of a session; the server frees it when the session ends, however that comes."""

    def __init__(self, address: str, name: str) -> None:
        """Take the address of the database and the name of the lock."""
        self._address = address
        self._name = f"midca {name}"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the turn, and have it for the block."""
        with self._session() as session:
            with _translated():
                session.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (self._name,))
            yield

    @contextmanager
    def held_if_free(self) -> Iterator[bool]:
        """Have the turn for the block if nobody else has; the block is told whether."""
        with self._session() as session:
            with _translated():
                got = session.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (self._name,)).fetchone()
            yield bool(got and got[0])

    @contextmanager
    def _session(self) -> Iterator[_Connection]:
        with closing(_connected(self._address)) as session:
            yield session


def _connected(address: str) -> _Connection:
    """Connect. Where the server is, and as whom, is in the log: whoever asks the CA for something is not told."""
    try:
        return psycopg.connect(address, **_OPTIONS)  # type: ignore[arg-type] # a mixed dict
    except psycopg.Error as error:
        _log.warning("the database cannot be reached: %s", _in_one_line(error))
        raise StoreUnavailable("The database cannot be reached now.") from error


def _answer(connection: _Connection, sql: str, parameters: dict[str, object]) -> Answer:
    cursor = connection.execute(_converted(sql), parameters or None)
    return [column.name for column in cursor.description or ()], cursor.fetchall()


@cache
def _converted(sql: str) -> bytes:
    """Return the statement with psycopg's way to write parameters in the place of ours."""
    return _PARAMETER.sub(r"%(\1)s", sql.replace("%", "%%")).encode() if _PARAMETER.search(sql) else sql.encode()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StoreUnavailable(f"The database cannot be used now: {_in_one_line(error)}.") from error


def _in_one_line(error: psycopg.Error) -> str:
    return " ".join(str(error).split())
