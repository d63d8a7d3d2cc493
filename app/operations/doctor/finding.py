"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is: fine; to be looked at before it becomes worse; something does not work or is not safe."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """A sentence of one check, and for what is not ok what to do next."""

    level: Level
    says: str
    advice: str = ""


def ok(says: str) -> Finding:
    """Return a finding that all is well."""
    return Finding(Level.OK, says)


def warning(says: str, advice: str) -> Finding:
    """Return a finding that should be looked at."""
    return Finding(Level.WARNING, says, advice)


def problem(says: str, advice: str) -> Finding:
    """Return a finding that must be mended."""
    return Finding(Level.PROBLEM, says, advice)
