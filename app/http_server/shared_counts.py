"""How many connections each worker has, seen by all of them: memory that is shared over forks.

The kernel hands a connection to whichever worker asks first, so that eight clients often end up at one of two workers.
"""

from __future__ import annotations

import mmap
from typing import Final

_FREE: Final = -1
_CLOSED: Final = 2**31 - 1
_PLACES: Final = 256


class SharedCounts:
    """A number for each place; a place is one worker's, from before it is forked until it has ended."""

    def __init__(self) -> None:
        """Map the memory, in the process that the workers are forked from."""
        self._numbers = memoryview(mmap.mmap(-1, 4 * _PLACES)).cast("i")
        for place in range(_PLACES):
            self.leave(place)

    def take(self) -> int:
        """Return a free place, for a worker that takes no connections yet."""
        place = self._numbers.tolist().index(_FREE)
        self.close(place)
        return place

    def leave(self, place: int) -> None:
        """Give a place back."""
        self._numbers[place] = _FREE

    def set(self, place: int, number: int) -> None:
        """Tell all how many connections a worker has."""
        self._numbers[place] = number

    def close(self, place: int) -> None:
        """Tell all that a worker takes no connections, so that nobody leaves one to it."""
        self._numbers[place] = _CLOSED

    def another_has_fewer(self, place: int) -> bool:
        """Return whether there is a worker that should take the next connection instead."""
        own = self._numbers[place]
        return any(_FREE < number < own for number in self._numbers)
