"""Which process serves a data directory: its id in a file, locked for as long as it lives."""

from __future__ import annotations

import fcntl
import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import ConfigurationError
from app.files.presence import is_there
from app.files.protected import exclusive_if_free

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class ServerProcess:
    """The lock and not the number says that the process lives: numbers are used again."""

    path: Path

    def hold(self) -> bool:
        """Say in the file that this process serves, until it ends; False when another one does."""
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return True  # the descriptor stays open: the lock ends with the process and its workers

    def release(self) -> None:
        """Take the number out again; only for who holds."""
        with suppress(FileNotFoundError):
            os.truncate(self.path, 0)

    def reload(self) -> int:
        """Tell the process that serves to read the profiles again; return its id.

        Raises :class:`ConfigurationError` when none does.
        """
        if is_there(self.path):
            with exclusive_if_free(self.path) as free:
                if not free:
                    return self._hang_up()
        raise ConfigurationError(f"No server runs on {self.path.parent}; the next one that starts reads the profiles.")

    def _hang_up(self) -> int:
        try:
            pid = int(self.path.read_text(encoding="ascii"))
            os.kill(pid, signal.SIGHUP)
        except (ValueError, OSError) as error:  # it is just starting or ending, or another user's
            raise ConfigurationError(f"The server of {self.path.parent} cannot be told: {error}.") from error
        return pid
