"""Whose turn it is to do what only one process may do at a time."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol


class Turn(Protocol):
    """A lock that all processes of an installation share; it is free again when its holder dies."""

    def held(self) -> AbstractContextManager[None]:
        """Wait for the turn, and have it for the block."""

    def held_if_free(self) -> AbstractContextManager[bool]:
        """Have the turn for the block if nobody else has; the block is told whether."""
