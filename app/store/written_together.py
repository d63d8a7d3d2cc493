"""What both databases share: threads that read on their own and write by the one writer of their process."""

from __future__ import annotations

import os
import threading
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from app.store.database import Database, Row
from app.store.group_commit import Answer, Writer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.store.group_commit import WritingConnection


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
        return int(writer.connection.execute(sql, parameters).rowcount)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block as one durable transaction: on leaving it, all of it is on disk, or none of it happened."""
        if self._acting() is not None:
            raise RuntimeError("a transaction inside of a transaction")
        with self._use_writer() as writer, writer.act():
            self._local.acting = writer, os.getpid()
            try:
                yield
            finally:
                self._local.acting = None

    def close(self) -> None:
        """Close the process's writer if no thread uses it; the next use opens it again."""
        with self._guard:
            if self._acts == 0:
                self._close_writer()

    def _query(self, sql: str, parameters: dict[str, object]) -> Answer:
        writer = self._acting()
        return self._read(sql, parameters) if writer is None else writer.connection.query(sql, parameters)

    def _acting(self) -> Writer | None:
        """Return the writer whose turn this thread has."""
        writer, pid = getattr(self._local, "acting", None) or (None, None)
        return writer if pid == os.getpid() else None

    @contextmanager
    def _use_writer(self) -> Iterator[Writer]:
        with self._guard:
            if self._writer_pid != os.getpid():
                self._writer, self._writer_pid, self._acts = None, os.getpid(), 0
            if self._writer is not None and self._writer.connection.broken and self._acts == 0:
                self._close_writer()
            if self._writer is None:
                self._writer = Writer(self._open_writer())
            self._acts += 1
            writer = self._writer
        try:
            yield writer
        finally:
            with self._guard:
                self._acts -= 1

    def _close_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
