"""Reads the audit log front to back, once: chain, tree, numbers and times."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from app.operations.audit_findings import FindingKind, Findings
from app.pki.merkle_tree import MerkleTree, leaf_hash
from app.store.times import from_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.pki.checkpoint import Checkpoint
    from app.store.database import Row

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far the time may go back between two entries: clocks are set now and then."""


class AuditWalk:
    """Takes the rows in order; ``heads`` are the checkpoints they must lead to."""

    def __init__(self, heads: Iterable[Checkpoint], findings: Findings) -> None:
        """Begin before the first entry."""
        self.seq = 0
        self._heads = sorted(heads, key=lambda head: head.size, reverse=True)
        self._findings = findings
        self._tree = MerkleTree()
        self._chain = ""
        self._latest = ""
        self._broken = False
        self._pass_heads()

    @property
    def root(self) -> bytes:
        """The root of the tree over all that was read."""
        return self._tree.root()

    def read(self, row: Row) -> dict[str, Any]:
        """Take the next row and return its entry, an empty one if it cannot be read."""
        seq, text, chain = row["seq"], row["entry"], row["chain_sha256"]
        gap = seq != self.seq + 1
        if gap:
            self._tell(FindingKind.REMOVED, f"After entry {self.seq} comes entry {seq}.")
        entry = _entry(text)
        if entry.get("seq") != seq and entry:
            self._tell(FindingKind.SWAPPED, f"In the place of entry {seq} stands entry {entry.get('seq')}.")
        elif not gap and hashlib.sha256(f"{self._chain}\n{text}".encode()).hexdigest() != chain:
            self._tell(FindingKind.EDITED, f"Entry {seq}, or the chain value of the one before it, was changed.")
        elif entry.get("at") != row["at"]:
            self._tell(FindingKind.EDITED, f"The time of entry {seq} is not the one in the entry itself.")
        self.seq, self._chain = seq, chain
        self._tree.append(leaf_hash(text.encode()))
        if row["at"] < self._latest:
            self._check_time(row)
        else:
            self._latest = row["at"]
        if self._heads and self._heads[-1].size <= self._tree.size:
            self._pass_heads()
        return entry

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

    def _check_time(self, row: Row) -> None:
        try:
            back = from_text(self._latest) - from_text(row["at"])
        except ValueError:
            self._tell(FindingKind.EDITED, f"The time of entry {row['seq']} cannot be read.")
            return
        if back > CLOCK_TOLERANCE:
            self._findings.add(
                FindingKind.CLOCK, f"Entry {row['seq']} is of {row['at']}, an earlier one of {self._latest}."
            )

    def _tell(self, kind: FindingKind, sentence: str) -> None:
        self._broken = True
        self._findings.add(kind, sentence)


def _entry(text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
