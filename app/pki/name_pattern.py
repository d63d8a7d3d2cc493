"""Regular expressions of an operator, for names that anybody may send: anchored, and never slow.

Python's engine backtracks. What makes it exponential are repeats within repeats, so a group may only be optional; what
is left is a polynomial in a name of at most :data:`MAX_NAME` characters, with at most :data:`_MAX_REPEATS` repeats.
"""

from __future__ import annotations

import re
from typing import Final

MAX_NAME: Final = 255
_MAX_PATTERN: Final = 200
_MAX_REPEATS: Final = 3
_TOKEN: Final = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<group>\(\?)(?!:)|(?P<after>\)[*+{])"
    r"|(?P<repeat>[*+]|\{\d*,\d*\})|.",
    re.DOTALL,
)


def pattern_problem(pattern: str) -> str | None:
    """Return what is wrong with ``pattern``, as the end of a sentence, or None when nothing is."""
    if not 0 < len(pattern) <= _MAX_PATTERN:
        return f"must have 1 to {_MAX_PATTERN} characters"
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}"
    tokens = list(_TOKEN.finditer(pattern))
    if any(token["escape"] and token["escape"][1] in "123456789" for token in tokens) or any(
        token["group"] for token in tokens
    ):
        return "refers back, looks around or sets a flag; only plain groups are accepted"
    if any(token["after"] for token in tokens):
        return "repeats a group, which can take for ever on some names; repeat a character or a set"
    if sum(token["repeat"] is not None for token in tokens) > _MAX_REPEATS:
        return f"holds more than {_MAX_REPEATS} repeats, which can take long on some names"
    return None


def matches(pattern: str, name: str) -> bool:
    """Return whether the whole of ``name`` matches; never for a name longer than :data:`MAX_NAME`."""
    return len(name) <= MAX_NAME and re.fullmatch(pattern, name) is not None
