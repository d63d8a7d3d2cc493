"""Where the processes that share one SQLite file stand in line for it.

SQLite's own busy handler sleeps and retries, which under eight writers makes the slowest wait twenty times the median.
An advisory file lock is granted by the kernel at the moment it is free. Whoever queues passes a gate first, one at a
time: a writer that waits there holds up the readers behind it. Without the gate six busy readers kept a writer waiting
for seconds, because a shared lock is granted as long as another one is held.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, BinaryIO

from app.errors import StoreUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Queue:
    """One place in the line: of a thread, for no two may stand at the same file description."""

    def __init__(self, path: Path) -> None:
        """Take the database file. The lock files are beside it, and opened when they are needed: readers need none."""
        self._paths = tuple(path.with_name(f"{path.name}.{suffix}") for suffix in ("gate", "lock"))
        self._files: tuple[BinaryIO, ...] = ()

    def enter(self, kind: int) -> None:
        """Wait for one's turn: readers together (``fcntl.LOCK_SH``), a writer alone (``LOCK_EX``)."""
        gate, lock = self._files = self._files or self._opened()
        fcntl.flock(gate, fcntl.LOCK_EX)
        try:
            fcntl.flock(lock, kind)
        finally:
            fcntl.flock(gate, fcntl.LOCK_UN)

    def leave(self) -> None:
        """Let the next one in."""
        fcntl.flock(self._files[1], fcntl.LOCK_UN)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Read in one's turn."""
        self.enter(fcntl.LOCK_SH)
        try:
            yield
        finally:
            self.leave()

    def close(self) -> None:
        """Leave for good."""
        for file in self._files:
            file.close()

    def _opened(self) -> tuple[BinaryIO, ...]:
        with ExitStack() as on_failure:
            try:
                files = tuple(on_failure.enter_context(_open(path)) for path in self._paths)
            except OSError as error:
                raise StoreUnavailable(f"{error.filename} cannot be opened: {error.strerror}.") from error
            on_failure.pop_all()
        return files


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
