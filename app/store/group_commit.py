"""The one connection of a process that writes: acts that come together are made durable together.

A commit waits for the disk far longer than its statements take. So threads take turns at one connection, each act in a
savepoint of its own, and whoever finds nobody waiting behind it commits for all since the last commit. Each act is
whole or not there, and no thread goes on before the commit that holds its act is on disk. That goes for an act that is
refused, too: what it was refused for may be another act of the same commit. A thread that finds the connection free
commits at once: nobody is ever waited for.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from app.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

Answer = tuple[list[str], list[tuple[Any, ...]]]
"""The names of a query's columns, and its rows."""
TIMEOUT: Final = 10.0
"""Seconds that an act waits for its turn, then it is refused."""
_MOST_ACTS: Final = 64  # in one commit; other processes wait meanwhile
_LONGEST: Final = 0.05  # seconds that acts may join a commit


class WritingConnection(Protocol):
    """What writes. Each method raises :class:`StoreUnavailable` when the database fails."""

    def begin(self) -> None:
        """Open a transaction that sees all that others committed, and no other process writes until its end."""

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Run a statement; return its cursor."""

    def query(self, sql: str, parameters: Any) -> Answer:
        """Return the names of the columns and all rows of a query."""

    def commit(self) -> None:
        """Make all since :meth:`begin` durable, and let others write."""

    def rollback(self) -> None:
        """Take back all since :meth:`begin`, if that was not done yet, and let others write."""

    def close(self) -> None:
        """Close the connection."""

    @property
    def broken(self) -> bool:
        """True when no transaction can be opened by it any more, but perhaps by a new one."""


class _Commit:
    """What several acts wait for."""

    def __init__(self) -> None:
        self.acts = 0
        self.begun = time.monotonic()
        self.done = threading.Event()
        self.failure: StoreUnavailable | None = None

    def may_grow(self) -> bool:
        return self.failure is None and self.acts < _MOST_ACTS and time.monotonic() - self.begun < _LONGEST

    def wait(self) -> None:
        self.done.wait()
        if self.failure is not None:
            # An exception is one thread's: its traceback grows where it is raised.
            raise StoreUnavailable(str(self.failure))


class Writer:
    """Takes the acts of all threads of this process, one at a time."""

    def __init__(self, connection: WritingConnection) -> None:
        """Take a connection that threads may share."""
        self.connection = connection
        self._turn = threading.Lock()
        self._waiting = 0
        self._counting = threading.Lock()
        self._commit: _Commit | None = None

    @contextmanager
    def act(self) -> Iterator[None]:
        """Run the block as one act; return when it is on disk. A block that raises has done nothing.

        What it raises arrives when all that it has seen is on disk, and as :class:`StoreUnavailable` if that fails.
        """
        deadline = time.monotonic() + TIMEOUT
        commit = None
        self._take_turn()
        try:
            commit = self._joined(deadline)
            with self._savepoint(commit):
                yield
        finally:
            self._give_turn()
            if commit is not None:
                commit.wait()

    def close(self) -> None:
        """Close the connection; no act may be under way."""
        self.connection.close()

    def _take_turn(self) -> None:
        with self._counting:
            self._waiting += 1
        self._turn.acquire()
        with self._counting:
            self._waiting -= 1

    def _joined(self, deadline: float) -> _Commit:
        """Return the commit that this turn's act goes into: the one that others wait for, or a new one."""
        check_in_time(deadline)
        if self._commit is None:
            self.connection.begin()
            self._commit = _Commit()
        return self._commit

    @contextmanager
    def _savepoint(self, commit: _Commit) -> Iterator[None]:
        self.connection.execute("SAVEPOINT act")
        try:
            yield
            self.connection.execute("RELEASE SAVEPOINT act")
        except BaseException:
            self._take_back(commit)
            raise
        commit.acts += 1

    def _take_back(self, commit: _Commit) -> None:
        """Undo the act alone; where that fails, or all was undone (a full disk), no act of this commit happens."""
        try:
            self.connection.execute("ROLLBACK TO SAVEPOINT act")
            self.connection.execute("RELEASE SAVEPOINT act")
        except StoreUnavailable as failure:
            commit.failure = failure

    def _give_turn(self) -> None:
        """Commit for all, unless somebody waits who will."""
        commit = self._commit
        try:
            if commit is not None and not (self._waiting and commit.may_grow()):
                self._finish(commit)
        finally:
            self._turn.release()

    def _finish(self, commit: _Commit) -> None:
        self._commit = None
        try:
            if commit.failure is None:
                self.connection.commit()
        except StoreUnavailable as failure:
            commit.failure = failure
        finally:
            if commit.failure is not None:
                with suppress(StoreUnavailable):
                    self.connection.rollback()
            commit.done.set()


def check_in_time(deadline: float) -> None:
    """Raise when an act waited longer than it may; ``deadline`` is in seconds of ``time.monotonic``."""
    if time.monotonic() > deadline:
        raise StoreUnavailable("The database is busy.")
