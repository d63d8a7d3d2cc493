"""What both databases share: threads that read on their own and write by the one writer of their process."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from typing import TYPE_CHECKING, Any, NamedTuple

from app.store.database import Database, Row, check_texts
from app.store.group_commit import Answer, Commit, Writer

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from app.store.group_commit import WritingConnection


class Act(NamedTuple):
    """A transaction that is open: by which writer, and the commit that will hold it."""

    writer: Writer
    commit: Commit


class WrittenTogether(Database):
    """A database whose processes have one writer each. What a parent process opened is not used after a fork."""

    def __init__(self) -> None:
        """Nothing is opened yet."""
        self._local = threading.local()
        self._guard = threading.Lock()
        self._writer: Writer | None = None
        self._writer_pid: int | None = None
        self._acts = 0

    @abstractmethod
    def _open_writer(self) -> WritingConnection:
        """Return a new connection to write by."""

    @abstractmethod
    def _read(self, sql: str, parameters: dict[str, object]) -> Answer:
        """Return the answer to a query outside of any transaction."""

    def rows(self, sql: str, **parameters: object) -> list[Row]:
        """Return all rows of a query."""
        names, rows = self._query(sql, parameters)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def tuples(self, sql: str, **parameters: object) -> list[tuple[Any, ...]]:
        """Return all rows of a query as tuples, where there are so many that dicts would show."""
        return self._query(sql, parameters)[1]

    def execute(self, sql: str, **parameters: object) -> int:
        """Run one writing statement inside the open transaction; return how many rows it changed."""
        writer = self._acting()
        if writer is None:
            raise RuntimeError("a write outside of a transaction")
        check_texts(parameters)
        return int(writer.connection.execute(sql, parameters).rowcount)

    def transaction(self) -> AbstractContextManager[None]:
        """Run the block as one durable transaction: on leaving it, all of it is on disk, or none of it happened."""
        return _Transaction(self)

    def begin(self) -> Act:
        """Open a transaction of this thread."""
        if self._acting() is not None:
            raise RuntimeError("a transaction inside of a transaction")
        writer = self._take_writer()
        try:
            act = Act(writer, writer.begin_act())
        except BaseException:
            self._give_writer_back()
            raise
        self._local.acting = writer
        return act

    def end(self, act: Act, *, failed: bool) -> None:
        """Commit the transaction, or take it back."""
        self._local.acting = None
        try:
            act.writer.end_act(act.commit, failed=failed)
        finally:
            self._give_writer_back()

    def close(self) -> None:
        """Close the process's writer if no thread uses it; the next use opens it again."""
        with self._guard:
            if self._acts == 0:
                self._close_writer()

    def _query(self, sql: str, parameters: dict[str, object]) -> Answer:
        check_texts(parameters)
        writer = self._acting()
        return self._read(sql, parameters) if writer is None else writer.connection.query(sql, parameters)

    def _acting(self) -> Writer | None:
        """Return the writer whose turn this thread has."""
        return getattr(self._local, "acting", None)

    def _take_writer(self) -> Writer:
        with self._guard:
            if self._writer_pid != os.getpid():
                self._writer, self._writer_pid, self._acts = None, os.getpid(), 0
            if self._writer is None:
                self._writer = Writer(self._open_writer())
            self._acts += 1
            return self._writer

    def _give_writer_back(self) -> None:
        with self._guard:
            self._acts -= 1

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class _Transaction:
    """The context of a transaction. A generator would cost more than several of the statements within it."""

    def __init__(self, database: WrittenTogether) -> None:
        self._database = database

    def __enter__(self) -> None:
        self._act = self._database.begin()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._database.end(self._act, failed=kind is not None)
