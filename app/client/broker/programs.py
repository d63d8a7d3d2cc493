"""The one place that starts another program: what the operator wrote into ``agent.toml``, as they wrote it."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Final

from ..errors import ClientError

_TIMEOUT: Final = 60  # seconds
_SHOWN: Final = 300  # characters of the last words of a program


def run(command: Sequence[str]) -> None:
    """Run a program to its end; raise :class:`ClientError` unless it succeeds."""
    shown = " ".join(command)
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False)  # noqa: S603
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise ClientError(f"`{shown}` cannot be run: {error}.") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-_SHOWN:]
        raise ClientError(f"`{shown}` ends with {done.returncode}: {said or 'it says nothing'}.")
