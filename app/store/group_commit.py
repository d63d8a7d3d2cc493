"""The one connection of a process that writes: acts that come together are made durable together.

A commit waits for the disk far longer than its statements take. So threads take turns at one connection, each act but
the first in a savepoint of its own, and whoever finds nobody waiting behind it commits for all since the last commit.
Each act is whole or not there, and no thread goes on before the commit that holds its act is on disk. That goes for an
act that is refused, too: what it was refused for may be another act of the same commit. A thread that finds the
connection free commits at once: nobody is ever waited for.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any, Final, Protocol

from app.errors import StoreUnavailable

Answer = tuple[list[str], list[tuple[Any, ...]]]
"""The names of a query's columns, and its rows."""
TIMEOUT: Final = 10.0
"""Seconds that an act waits for its turn, then it is refused."""
_MOST_ACTS: Final = 64  # in one commit; other processes wait meanwhile
_LONGEST: Final = 0.05  # seconds that acts may join a commit


class WritingConnection(Protocol):
    """What writes. Each method raises :class:`StoreUnavailable` when the database fails."""

    def begin(self) -> None:
        """Open a transaction that sees all that others committed, and no other process writes until its end.

        What has become of an earlier one does not matter.
        """

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


class Commit:
    """What several acts wait for."""

    def __init__(self) -> None:
        self.acts = 0
        self.begun = time.monotonic()
        self.failure: StoreUnavailable | None = None
        self._done: threading.Event | None = None  # until somebody leaves the commit to another

    def leave_to_another(self) -> None:
        self._done = self._done or threading.Event()

    def finish(self) -> None:
        if self._done is not None:
            self._done.set()

    def may_grow(self) -> bool:
        return self.failure is None and self.acts < _MOST_ACTS and time.monotonic() - self.begun < _LONGEST

    def wait(self) -> None:
        if self._done is not None:
            self._done.wait()
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
        self._commit: Commit | None = None

    def begin_act(self) -> Commit:
        """Wait for this thread's turn and open an act; return the commit that it goes into."""
        deadline = time.monotonic() + TIMEOUT
        self._take_turn()
        try:
            commit = self._joined(deadline)
            if commit.acts:
                self.connection.execute("SAVEPOINT act")
        except BaseException:
            self._give_turn()
            raise
        return commit

    def end_act(self, commit: Commit, *, failed: bool) -> None:
        """End the act and give the turn on; return when it is on disk. One that ``failed`` has done nothing.

        It returns when all that it has seen is on disk, and raises :class:`StoreUnavailable` if that fails.
        """
        alone = not commit.acts
        try:
            if failed:
                self._take_back(commit)
            else:
                self._keep(commit)
        finally:
            self._give_turn()
        if not (failed and alone):
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

    def _joined(self, deadline: float) -> Commit:
        """Return the commit that this turn's act goes into: the one that others wait for, or a new one."""
        check_in_time(deadline)
        if self._commit is None:
            self.connection.begin()
            self._commit = Commit()
        return self._commit

    def _keep(self, commit: Commit) -> None:
        try:
            if commit.acts:
                self.connection.execute("RELEASE SAVEPOINT act")
        except BaseException:
            self._take_back(commit)
            raise
        commit.acts += 1

    def _take_back(self, commit: Commit) -> None:
        """Undo the act alone; where that fails, or all was undone (a full disk), no act of this commit happens."""
        if not commit.acts:
            commit.failure = StoreUnavailable("The only act was taken back.")
            return
        try:
            self.connection.execute("ROLLBACK TO SAVEPOINT act")
            self.connection.execute("RELEASE SAVEPOINT act")
        except StoreUnavailable as failure:
            commit.failure = failure

    def _give_turn(self) -> None:
        """Commit for all, unless somebody waits who will."""
        commit = self._commit
        try:
            if commit is None:
                return
            if self._waiting and commit.may_grow():
                commit.leave_to_another()
            else:
                self._finish(commit)
        finally:
            self._turn.release()

    def _finish(self, commit: Commit) -> None:
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
            commit.finish()


def check_in_time(deadline: float) -> None:
    """Raise when an act waited longer than it may; ``deadline`` is in seconds of ``time.monotonic``."""
    if time.monotonic() > deadline:
        raise StoreUnavailable("The database is busy.")
