"""Gathers the checkpoints a log must lead to: from the database, the file, copies and exports."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from app.errors import InvalidInput
from app.files.checkpoint_files import CheckpointFile
from app.operations.audit_findings import FindingKind, Findings
from app.pki.checkpoint import NoteVerifier, read_checkpoints

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.operations.checkpoints import Checkpoints
    from app.pki.checkpoint import Checkpoint


class SavedCheckpoints:
    """Those signed by this log's key bind it for good; those of before a restore as far as the backup went.

    A restored log goes on with another key, so that what was lost with the restore is told from what was cut off since.
    """

    def __init__(self, checkpoints: Checkpoints, findings: Findings) -> None:
        """Take where they are, and where to tell of those that are none."""
        self._checkpoints = checkpoints
        self._findings = findings
        self._restores = [(restore, NoteVerifier.from_text(restore.verifier)) for restore in checkpoints.restores.all()]
        self._lost: Counter[int] = Counter()  # checkpoints that cover lost entries, by the entry of the restore
        self._longest: dict[int, int] = {}
        self._ends: dict[Path, float] = {}

    def read(self, files: Sequence[Path], exports: Sequence[Path]) -> list[Checkpoint]:
        """Return every checkpoint that the log must lead to, each once."""
        found, rest = read_checkpoints("\n".join(self._checkpoints.store.notes()))
        self._tell_of_rest("the database", rest)
        for path in (self._checkpoints.file.path, *files):
            saved, rest = CheckpointFile(path).all()
            if path in files and not saved:
                raise InvalidInput(f"There is no checkpoint in {path}.")
            self._tell_of_rest(str(path), rest)
            found += saved
        for path in exports:
            newest = CheckpointFile(path).newest()
            if newest is None:
                raise InvalidInput(f"There is no checkpoint at the end of {path}.")
            found.append(newest)
            self._ends[path] = self._end(newest) or math.inf
        different = {head.note: head for head in found}.values()
        return [head for head in different if self._binds(head)]

    def ends_of(self, export: Path) -> float:
        """Return the number of the first entry in which the log and an export may differ; infinite where none may."""
        return self._ends[export]

    def notes(self) -> Iterator[str]:
        """Yield a sentence on each restore: whoever cuts off a log could say that it was one."""
        for restore, _ in self._restores:
            first, lost = restore.entry, ""
            if self._lost[first]:
                covered = f"{self._lost[first]} checkpoints of before cover entries {first} to {self._longest[first]}"
                lost = f"{covered}, which the backup did not have and are lost. "
            yield (
                f"Entry {first} tells of a restore from a backup, on {restore.at:%Y-%m-%d %H:%M} UTC. {lost}"
                "If nobody restored this CA then, the log was cut off there."
            )

    def _binds(self, head: Checkpoint) -> bool:
        end = self._end(head)
        if end is None:
            self._findings.add(
                FindingKind.CHECKPOINT,
                f"One of {head.size} entries is not signed by this log's key ({head.origin[:50]}).",
            )
            return False
        if head.size < end:
            return True
        first = int(end)
        self._lost[first] += 1
        self._longest[first] = max(self._longest.get(first, 0), head.size)
        return False

    def _end(self, head: Checkpoint) -> float | None:
        """Return before which entry the log must be the one that a checkpoint covers; None when it is not signed."""
        if self._checkpoints.signer.verifier.has_signed(head):
            return math.inf
        signed = (restore.entry for restore, verifier in self._restores if verifier.has_signed(head))
        return next(signed, None)

    def _tell_of_rest(self, where: str, rest: str) -> None:
        if rest:
            self._findings.add(FindingKind.CHECKPOINT, f"In {where} stands what is no checkpoint: {rest[:60]!r}.")
