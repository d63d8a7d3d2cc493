"""Whether something is there; what cannot be seen is neither there nor missing, but an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def is_there(path: Path) -> bool:
    """Return whether a path leads to something; raise :class:`OSError` where that cannot be seen.

    ``Path.exists`` says no then, since Python 3.14: a key in a closed directory would be made anew.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True
