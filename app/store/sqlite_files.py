"""Whether the files of an SQLite database are still those that were opened: what is written to others, nobody finds."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from app.errors import StoreUnavailable

if TYPE_CHECKING:
    from pathlib import Path

_NONE: Final = ((0, 0), 0)


class SqliteFiles:
    """The database file and, with a write-ahead log, the log and its index.

    SQLite goes on without a word when they are removed or replaced: commits then end up in a log that has no name any
    more. A file that was cut off it notices only where it reads what is missing.
    """

    def __init__(self, path: Path, *, wal: bool) -> None:
        """Take the path; raise :class:`StoreUnavailable` when there is no database."""
        self._path = str(path)
        self._beside = [f"{path}-wal", f"{path}-shm"] if wal else []
        self._identity, self._size = _state(self._path)[0], 0
        self._seen_beside: list[tuple[int, int]] = []
        if self._identity == _NONE[0]:
            # SQLite would make an empty one, and a CA that forgot everything looks like a new CA.
            raise StoreUnavailable("The database is gone.")

    def check(self) -> None:
        """Raise :class:`StoreUnavailable` unless the files are still those of the last :meth:`note`."""
        identity, size = _state(self._path)
        if identity != self._identity:
            raise StoreUnavailable("The database file was removed or replaced while it was in use.")
        if size < self._size:
            raise StoreUnavailable("The database file was cut off while it was in use.")
        if self._seen_beside and self._now_beside() != self._seen_beside:
            raise StoreUnavailable("The database's write-ahead log was removed or replaced while it was in use.")

    def note(self) -> None:
        """Remember the files, inside a transaction: SQLite has made its own then, and undone what a crash left."""
        self._size = _state(self._path)[1]
        if not self._seen_beside:
            self._seen_beside = self._now_beside()

    def _now_beside(self) -> list[tuple[int, int]]:
        return [_state(name)[0] for name in self._beside]


def _state(name: str) -> tuple[tuple[int, int], int]:
    """Return what tells a file from every other, and its size in bytes."""
    try:
        status = os.stat(name)  # noqa: PTH116 -- pathlib takes three times as long, at every transaction
    except OSError:
        return _NONE
    return (status.st_dev, status.st_ino), status.st_size
