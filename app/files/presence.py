"""Whether something is there. What cannot be seen is neither there nor missing: it is an error.

``Path.exists`` and its like say no in a directory that is closed, at a loop of links or on a disk that fails (to all of
it since Python 3.14, to some before). A CA whose keys were taken for missing would be made anew.
"""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: Path) -> bool:
    """Return whether a path leads to something; raise :class:`OSError` where that cannot be seen."""
    return _mode(path) is not None


def is_directory(path: Path) -> bool:
    """Return whether a path leads to a directory; raise :class:`OSError` where that cannot be seen."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file; raise :class:`OSError` where that cannot be seen."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
