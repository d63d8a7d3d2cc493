"""How a broker is told to read its files again."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import ClientError
from ..files import read
from .programs import run


class Reload(Protocol):
    """Has the broker read its files again, or raises :class:`ClientError`."""

    def __call__(self) -> None:
        """Do so."""


@dataclass(frozen=True)
class Signal:
    """SIGHUP to the process that a broker's pid file names."""

    pid_file: Path

    def __call__(self) -> None:
        """Send it. A broker that does not run is an error too: nobody could tell it from another path than this."""
        content = read(self.pid_file)
        if content is None:
            raise ClientError(f"There is no {self.pid_file}: the broker does not run, or its pid_file is another.")
        try:
            os.kill(_pid(content), signal.SIGHUP)
        except (OSError, ValueError, OverflowError) as error:
            raise ClientError(
                f"The broker of {self.pid_file} cannot be sent SIGHUP: {error}.", "Does the agent run as its user?"
            ) from error


@dataclass(frozen=True)
class Command:
    """A program, such as ``systemctl reload mosquitto``."""

    command: tuple[str, ...]

    def __call__(self) -> None:
        """Run it."""
        run(self.command)


def nothing() -> None:
    """For a broker that looks at its files by itself."""


def _pid(content: bytes) -> int:
    pid = int(content)
    if pid <= 1:  # 0 and below are groups of processes
        raise ValueError(f"{pid} is no process of a broker")
    return pid
