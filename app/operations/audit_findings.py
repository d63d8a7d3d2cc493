"""What a verification of the audit log finds, by kind."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_SHOWN: Final = 100  # sentences of each kind; the rest is counted


class FindingKind(StrEnum):
    """What was done to the log, or to what it speaks of."""

    EDITED = "edited"
    """An entry is not the one that was chained."""
    REMOVED = "removed"
    """A number is missing between two entries."""
    SWAPPED = "swapped"
    """An entry stands in the place of another."""
    TRUNCATED = "truncated"
    """The log ends before what a checkpoint or an export covers."""
    REWRITTEN = "rewritten"
    """The chain fits, but the entries are not those of a checkpoint or an export."""
    CHECKPOINT = "checkpoint"
    """A checkpoint cannot be read, or is not signed by this log's key."""
    CLOCK = "clock"
    """The time goes back from one entry to the next."""
    ROW_WITHOUT_ENTRY = "row without entry"
    """Something is on record that the log knows nothing of."""
    ENTRY_WITHOUT_ROW = "entry without row"
    """The log tells of something that is on record no more."""
    ROW_UNLIKE_ENTRY = "row unlike entry"
    """Both tell of it, and differ."""
    LIST = "list"
    """The newest revocation list of a CA does not say what is on record."""


@dataclass(frozen=True)
class Finding:
    """One of them, in a sentence."""

    kind: FindingKind
    sentence: str


@dataclass
class Findings:
    """All that was found; of each kind only the first are kept as sentences, the others are counted."""

    found: list[Finding] = field(default_factory=list)
    counts: Counter[FindingKind] = field(default_factory=Counter)

    def add(self, kind: FindingKind, sentence: str) -> None:
        """Add a finding."""
        self.counts[kind] += 1
        if self.counts[kind] <= _SHOWN:
            self.found.append(Finding(kind, sentence))
