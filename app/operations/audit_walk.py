"""Reads the audit log front to back, once: chain, tree, numbers and times."""

from __future__ import annotations

import hashlib
import json
import math
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.operations.audit_findings import FindingKind, Findings
from app.pki.merkle_tree import MerkleTree
from app.store.times import from_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.pki.checkpoint import Checkpoint
    from app.store.audit_log import LogRow

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the time may go back between two entries: clocks are set now and then."""


_decode: Final = json.JSONDecoder().raw_decode  # json.loads looks for blanks twice, which shows in a million entries


class AuditWalk:
    """Takes the rows in order; ``heads`` are the checkpoints they must lead to."""

    def __init__(self, heads: Iterable[Checkpoint], findings: Findings) -> None:
        """Begin before the first entry."""
        self.seq = 0
        self._heads = sorted(heads, key=lambda head: head.size, reverse=True)
        self._findings = findings
        self._tree = MerkleTree()
        self._chain = b"\n"
        self._latest = ""
        self._broken = False
        self._next_head: float = 0
        self._pass_heads()

    @property
    def root(self) -> bytes:
        """The root of the tree over all that was read."""
        return self._tree.root()

    def read(self, page: Iterable[LogRow]) -> Iterator[dict[str, Any]]:
        """Take the next rows and yield the entry of each, an empty one if it cannot be read."""
        sha256, append = hashlib.sha256, self._tree.append  # what is looked up here is not looked up a million times
        for seq, at, text, chain in page:
            raw = text.encode()
            entry = _entry(text)
            if seq != self.seq + 1:
                self._tell(FindingKind.REMOVED, f"After entry {self.seq} comes entry {seq}.")
            elif sha256(self._chain + raw).hexdigest() != chain or entry.get("seq") != seq or entry["at"] != at:
                self._tell_of_difference(seq, at, entry)
            self.seq, self._chain = seq, f"{chain}\n".encode()
            append(sha256(b"\x00" + raw).digest())
            if at < self._latest:
                self._check_time(seq, at)
            else:
                self._latest = at
            if self._next_head <= self._tree.size:
                self._pass_heads()
            yield entry

    def finish(self) -> None:
        """Tell of the checkpoints that were not reached."""
        for head in self._heads:
            self._findings.add(
                FindingKind.TRUNCATED, f"The log has {self._tree.size} entries, a checkpoint covers {head.size}."
            )

    def _pass_heads(self) -> None:
        while self._heads and self._heads[-1].size <= self._tree.size:
            head = self._heads.pop()
            # Behind an entry that was edited, removed or swapped no checkpoint can fit: that has been told.
            if head.root != self._tree.root() and not self._broken:
                self._findings.add(
                    FindingKind.REWRITTEN,
                    f"The chain fits, but the first {head.size} entries are not those that a checkpoint covers.",
                )
        self._next_head = self._heads[-1].size if self._heads else math.inf

    def _tell_of_difference(self, seq: int, at: str, entry: dict[str, Any]) -> None:
        stands = entry.get("seq")
        if entry and stands != seq:
            self._tell(FindingKind.SWAPPED, f"In the place of entry {seq} stands entry {stands}.")
        elif entry and entry.get("at") != at:
            self._tell(FindingKind.EDITED, f"The time of entry {seq} is not the one in the entry itself.")
        else:
            self._tell(FindingKind.EDITED, f"Entry {seq}, or the chain value of the one before it, was changed.")

    def _check_time(self, seq: int, at: str) -> None:
        try:
            back = from_text(self._latest) - from_text(at)
        except ValueError:
            self._tell(FindingKind.EDITED, f"The time of entry {seq} cannot be read.")
            return
        if back > CLOCK_TOLERANCE:
            self._findings.add(FindingKind.CLOCK, f"Entry {seq} is of {at}, an earlier one of {self._latest}.")

    def _tell(self, kind: FindingKind, sentence: str) -> None:
        self._broken = True
        self._findings.add(kind, sentence)


def _entry(text: str) -> dict[str, Any]:
    try:
        entry, end = _decode(text)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) and end == len(text) else {}
