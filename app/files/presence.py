"""Whether something is there, and what is in a directory. What cannot be seen is neither there nor missing: an error.

``Path.exists`` and its like say no in a directory that is closed, at a loop of links or on a disk that fails (to all of
it since Python 3.14, to some before), and ``glob`` finds nothing there. A CA whose keys were taken for missing would be
made anew, or be left with a passphrase that no longer opens them. Each raises :class:`ConfigurationError`.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from app.errors import ConfigurationError


def is_there(path: Path) -> bool:
    """Return whether a path leads to something."""
    return _mode(path) is not None


def is_directory(path: Path) -> bool:
    """Return whether a path leads to a directory."""
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_file(path: Path) -> bool:
    """Return whether a path leads to a regular file."""
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def entries(directory: Path, suffix: str = "") -> list[Path]:
    """Return what is in a directory under a name that ends so, in order; nothing when there is no such directory."""
    try:
        found = sorted(directory.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unseen(directory, error) from error
    return [path for path in found if path.name.endswith(suffix)]


def files_below(directory: Path) -> list[Path]:
    """Return the files below a directory, in order, without looking behind links to other directories."""

    def fail(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):
            raise _unseen(Path(error.filename), error) from error

    found = (Path(folder, name) for folder, _, names in os.walk(directory, onerror=fail) for name in names)
    return sorted(path for path in found if is_file(path))


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:  # nothing can have that name
            return None
        raise _unseen(path, error) from error


def _unseen(path: Path, error: OSError) -> ConfigurationError:
    advice = " Run midca as the user of the server." if isinstance(error, PermissionError) else ""
    return ConfigurationError(f"{path} cannot be looked at: {error.strerror}.{advice}")
