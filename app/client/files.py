"""Files that are whole or not there, with the mode they should have from their first moment."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from .errors import FileTrouble

SECRET: Final = 0o600
PUBLIC: Final = 0o644


def write(path: Path, content: bytes, mode: int = PUBLIC) -> None:
    """Write in the place of what is there: who reads sees all of the old or of the new. It is on disk on return.

    One writer of a path at a time (:func:`sole_user`). Raises :class:`FileTrouble`.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.unlink(missing_ok=True)  # left by a kill
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            move(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _trouble(path, "written", error) from error


def move(source: Path, target: Path) -> None:
    """Give a file of the same directory its name, for good on return."""
    try:
        source.replace(target)
        directory = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as error:
        raise _trouble(target, "written", error) from error


def is_there(path: Path) -> bool:
    """Return whether a path leads to something; raise :class:`FileTrouble` where that cannot be seen.

    ``Path.exists`` says no then, since Python 3.14: a key in a closed directory would be made anew.
    """
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise _trouble(path, "looked at", error) from error
    return True


def read(path: Path) -> bytes | None:
    """Return the content, None if there is no such file; raise :class:`FileTrouble`."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _trouble(path, "read", error) from error


def read_secret(path: Path) -> bytes:
    """Return the content of a file that nobody but its owner may read, and that has to be there."""
    content = read(path)
    if content is None:
        raise FileTrouble(f"{path} is not there.")
    if path.stat().st_mode & 0o077:
        raise FileTrouble(f"{path} can be read by others than its owner.", f"chmod 600 {path}")
    return content


@contextmanager
def sole_user(directory: Path) -> Iterator[None]:
    """Make the directory (0700) if need be, and be the only process of this kind in it for the block."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise _trouble(directory, "used", error) from error
    try:
        _lock(descriptor, directory)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FileTrouble(f"Another process writes into {directory}.", "Wait until it is done.") from error
    except OSError as error:
        raise _trouble(directory, "locked", error) from error


def _trouble(path: Path, what: str, error: OSError) -> FileTrouble:
    return FileTrouble(f"{path} cannot be {what}: {error.strerror or error}.")
