"""Files that nobody else may read, written whole or not at all."""

from __future__ import annotations

import fcntl
import glob
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedRandom
from typing import TYPE_CHECKING, BinaryIO

from app.errors import ConfigurationError
from app.files.presence import is_there

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

Version = tuple[int, ...]
"""Tells one file from the one that took its name."""


def make_directory(path: Path) -> None:
    """Make a directory that only its owner may enter (0700), with its parents."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigurationError(f"The directory {path} cannot be made: {error.strerror}.") from error


def check_directory(path: Path) -> None:
    """Raise :class:`ConfigurationError` when others may enter a directory of secrets, or it belongs to another user."""
    if is_there(path):
        _check_private(path, path.stat(), "entered", "0700")


def version_of(path: Path) -> Version | None:
    """Return what changes when the file, or who may read it, does; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size


def write_once(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file so that it has ``mode`` from its first moment, is complete whenever it is seen, and is on disk.

    Raises :class:`FileExistsError` rather than touch one that is there, and :class:`ConfigurationError` where it cannot
    be written. One process at a time (the set-up's lock).
    """
    try:
        with writing_once(path, mode=mode) as file:
            file.write(content)
    except FileExistsError:
        raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error


def write_over(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write as :func:`write_once` does, in the place of what is there: who reads sees all of the old or of the new."""
    with _writing(path, mode, os.replace) as file:
        file.write(content)


@contextmanager
def writing_once(path: Path, *, mode: int = 0o600) -> Iterator[BufferedRandom]:
    """Do what :func:`write_once` does with what the block writes; if the block raises, there is no file.

    Whatever cannot be written is an :class:`OSError`.
    """
    with _writing(path, mode, os.link) as file:  # unlike a rename, a link fails when the name is taken
        yield file


@contextmanager
def _writing(path: Path, mode: int, put: Callable[[Path, Path], None]) -> Iterator[BufferedRandom]:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    for left_by_a_kill in path.parent.glob(f".{glob.escape(path.name)}.*.new"):
        left_by_a_kill.unlink(missing_ok=True)
    descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        put(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Have the names in a directory on disk."""
    directory = os.open(path, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_private(path: Path) -> bytes:
    """Return the content of a secret file; refuse one that others could read or that is not ours."""
    try:
        with path.open("rb") as file:
            status, content = os.fstat(file.fileno()), file.read()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    _check_private(path, status, "read", "0600")
    return content


def _check_private(path: Path, status: os.stat_result, done: str, wanted: str) -> None:
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise ConfigurationError(f"{path} can be {done} by others (mode {mode:04o}); it must be {wanted}.")
    if status.st_uid not in {os.geteuid(), 0}:
        raise ConfigurationError(f"{path} belongs to another user (uid {status.st_uid}).")


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold an advisory lock on ``path`` for the block, so that two starts at once set up only once."""
    with _lock_file(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def exclusive_if_free(path: Path) -> Iterator[bool]:
    """Hold the lock on ``path`` for the block if nobody has it; the block is told whether it does."""
    with _lock_file(path) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@dataclass(frozen=True)
class FileTurn:
    """The turn of who holds the lock on a file: of one machine's processes."""

    path: Path

    def held(self) -> AbstractContextManager[None]:
        """Wait for the turn, and have it for the block."""
        return exclusive(self.path)

    def held_if_free(self) -> AbstractContextManager[bool]:
        """Have the turn for the block if nobody else has; the block is told whether."""
        return exclusive_if_free(self.path)


def _lock_file(path: Path) -> BinaryIO:
    """Open the file of a lock; nobody else may, or they could hold it for ever."""
    try:
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b")
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be opened: {error.strerror}.") from error
