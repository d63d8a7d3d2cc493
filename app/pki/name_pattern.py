"""Regular expressions of an operator, for names that anybody may send: anchored, and never slow.

Python's engine backtracks. What makes it exponential are repeats within repeats, so a group may only be optional. What
is left is bounded by the ways there are to match a name of :data:`MAX_NAME` characters: each repeat multiplies them by
as many as it can be long, each choice by two. A pattern may have 2^20 of them, some hundredths of a second.
"""

from __future__ import annotations

import re
from typing import Final

MAX_NAME: Final = 255
_MAX_PATTERN: Final = 200
_MAX_BITS: Final = 20
_BITS_OF_A_NAME: Final = MAX_NAME.bit_length()
_TOKEN: Final = re.compile(
    r"(?P<escape>\\.)|(?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])|(?P<open>\(\?:)|(?P<group>\(\?)|(?P<after>\)[*+{])"
    r"|(?P<unbounded>[*+]|\{\d*,\})|\{(?P<least>\d*),(?P<most>\d+)\}|(?P<choice>[?|])|.",
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
    if any(token["group"] or (token["escape"] and token["escape"][1] in "123456789") for token in tokens):
        return "refers back, looks around or sets a flag; only plain groups are accepted"
    if any(token["after"] for token in tokens):
        return "repeats a group, which can take for ever on some names; repeat a character or a set"
    if sum(map(_bits, tokens)) > _MAX_BITS:
        return "holds too many repeats and choices, which can take long on some names"
    return None


def matches(pattern: str, name: str) -> bool:
    """Return whether the whole of ``name`` matches; never for a name longer than :data:`MAX_NAME`."""
    return len(name) <= MAX_NAME and re.fullmatch(pattern, name) is not None


def _bits(token: re.Match[str]) -> int:
    """Return the logarithm of how many ways to match one token adds."""
    if token["unbounded"]:
        return _BITS_OF_A_NAME
    if token["most"]:
        return min((int(token["most"]) - int(token["least"] or 0)).bit_length(), _BITS_OF_A_NAME)
    return 1 if token["choice"] else 0
