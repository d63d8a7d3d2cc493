"""Verifies the audit log: by itself, against every checkpoint and export, and against what it speaks of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import InvalidInput
from app.files.checkpoint_files import exported_lines
from app.operations.audit_findings import FindingKind, Findings
from app.operations.audit_lists import check_lists
from app.operations.audit_reconciliation import Reconciliation
from app.operations.audit_walk import AuditWalk
from app.operations.saved_checkpoints import SavedCheckpoints
from app.store.audited_rows import AuditedRows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.operations.checkpoints import Checkpoints

_BATCH: Final = 200  # certificates that are looked at again in one transaction


@dataclass(frozen=True)
class Verification:
    """What was read, and what was found. ``notes`` are sentences on what is no finding and should be known."""

    entries: int
    root: bytes
    checkpoints: int
    findings: Findings
    notes: tuple[str, ...]


@dataclass(frozen=True)
class AuditVerification:
    """Changes nothing, and may run while the server is at work."""

    checkpoints: Checkpoints

    def run(self, files: Sequence[Path] = (), exports: Sequence[Path] = ()) -> Verification:
        """Verify everything; ``files`` are copies of the checkpoints and ``exports`` of the log, held elsewhere."""
        findings = Findings()
        saved = SavedCheckpoints(self.checkpoints, findings)
        heads = saved.read(files, exports)
        walk = AuditWalk(heads, findings)
        records = AuditedRows(self.checkpoints.database)
        rows = Reconciliation(records, findings)
        self._read(walk, rows)
        check_lists(records, findings)
        for export in exports:
            self._compare(export, saved.ends_of(export), findings)
        suspects = rows.suspects()
        for begin in range(0, len(suspects), _BATCH):
            with self.checkpoints.database.transaction():
                self._read(walk, rows)
                rows.settle(suspects[begin : begin + _BATCH])
        with self.checkpoints.database.transaction():
            self._read(walk, rows)
            rows.settle_others()
        walk.finish()
        return Verification(walk.seq, walk.root, len(heads), findings, tuple(saved.notes()))

    def _read(self, walk: AuditWalk, rows: Reconciliation) -> None:
        """Read on to the end of the log."""
        for page in self.checkpoints.log.pages(after=walk.seq):
            rows.read(walk.read(page))

    def _compare(self, export: Path, end: float, findings: Findings) -> None:
        """Hold the entries of an export against those of the log, as far as it has to be the same."""
        theirs = exported_lines(export)
        begin = next(theirs, None)
        if begin is None:
            return
        number = _number(begin, export)
        ours = (entry for page in self.checkpoints.log.pages(after=number - 1) for _, _, entry, _ in page)
        for seq, their in enumerate(chain([begin], theirs), start=number):
            if seq >= end:
                return
            our = next(ours, None)
            if our is None:
                findings.add(FindingKind.TRUNCATED, f"The log ends before entry {seq}, which {export} has.")
                return
            if their != our:
                findings.add(FindingKind.REWRITTEN, f"Entry {seq} is not the one in {export}.")


def _number(line: str, export: Path) -> int:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"The first line of {export} is no audit entry.") from error
