"""Regular expressions of an operator, for names that anybody may send: anchored, and never slow.

Python's engine backtracks. What makes it exponential are repeats within repeats, so a group may only be optional. What
is left is bounded: each repeat multiplies the ways to match a name by as many as it can be long, each choice by two,
and each way may go through the whole pattern before it fails. A pattern may take 2^21 such steps for a name of
:data:`MAX_NAME` characters, and all names of a request together 2^26 (:class:`Budget`): a tenth of a second or two.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

MAX_NAME: Final = 255
_MAX_PATTERN: Final = 200
_MAX_STEPS: Final = 1 << 21
_MAX_STEPS_OF_A_REQUEST: Final = 1 << 26
_TOKEN: Final = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\(\?:)|(?P<group>\(\?)|(?P<after>\)[*+{])"
    r"|(?P<unbounded>[*+]|\{\d*,\})|\{(?P<least>\d*),(?P<most>\d+)\}|\{(?P<exact>\d+)\}|(?P<choice>[?|])|.",
    re.DOTALL,
)


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with ``pattern``, as the end of a sentence, or None when nothing is."""
    if not 0 < len(pattern) <= _MAX_PATTERN:
        return f"must have 1 to {_MAX_PATTERN} characters"
    try:
        re.compile(pattern, re.ASCII)
    except re.error as error:
        return f"is no regular expression: {error}"
    tokens = list(_TOKEN.finditer(pattern))
    if any(token["group"] or (token["escape"] and token["escape"][1] in "123456789") for token in tokens):
        return "refers back, looks around or sets a flag; only plain groups are accepted"
    if any(token["after"] for token in tokens):
        return "repeats a group, which can take for ever on some names; repeat a character or a set"
    if _steps(pattern, MAX_NAME) > _MAX_STEPS:
        return "holds too many repeats and choices, which can take long on some names"
    return None


def matches(pattern: str, name: str) -> bool:
    """Return whether the whole of ``name`` matches; never for a name longer than :data:`MAX_NAME`."""
    return len(name) <= MAX_NAME and re.fullmatch(pattern, name, re.ASCII) is not None


class BudgetSpent(Exception):
    """All names of a request together would take too many steps."""


class Budget:
    """What the names of one request may cost."""

    def __init__(self) -> None:
        self._left = _MAX_STEPS_OF_A_REQUEST

    def matches(self, pattern: str, name: str) -> bool:
        """Do as :func:`matches`, or raise :class:`BudgetSpent` before a match that could be one too many."""
        self._left -= _steps(pattern, min(len(name), MAX_NAME))
        if self._left < 0:
            raise BudgetSpent
        return matches(pattern, name)


@lru_cache(maxsize=1024)
def _steps(pattern: str, length: int) -> int:
    """Return how many steps a name of that length can take: the ways to match it, times what each goes through."""
    ways, through = 1, 0
    for token in _TOKEN.finditer(pattern):
        if token["exact"] or token["least"]:
            through += min(int(token["exact"] or token["least"]), length)
        if token["unbounded"]:
            ways *= length + 1
        elif token["most"]:
            ways *= min(int(token["most"]) - int(token["least"] or 0), length) + 1
        elif token["choice"]:
            ways *= 2
        elif not token["exact"]:
            through += 1
    return ways * through
