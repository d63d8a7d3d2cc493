"""Verifies the audit log: by itself, against every checkpoint and export, and against what it speaks of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import InvalidInput
from app.files.checkpoint_files import CheckpointFile
from app.operations.audit_findings import FindingKind, Findings
from app.operations.audit_lists import check_lists
from app.operations.audit_reconciliation import Reconciliation
from app.operations.audit_walk import AuditWalk
from app.pki.checkpoint import read_checkpoints
from app.store.audited_rows import AuditedRows

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.operations.checkpoints import Checkpoints
    from app.pki.checkpoint import Checkpoint

_BATCH: Final = 200  # certificates that are looked at again in one transaction


@dataclass(frozen=True)
class Verification:
    """What was read, and what was found."""

    entries: int
    root: bytes
    checkpoints: int
    findings: Findings


@dataclass(frozen=True)
class AuditVerification:
    """Changes nothing, and may run while the server is at work."""

    checkpoints: Checkpoints

    def run(self, files: Sequence[Path] = (), exports: Sequence[Path] = ()) -> Verification:
        """Verify everything; ``files`` are copies of the checkpoints and ``exports`` of the log, held elsewhere."""
        findings = Findings()
        heads = self._heads(files, exports, findings)
        walk = AuditWalk(heads, findings)
        records = AuditedRows(self.checkpoints.database)
        rows = Reconciliation(records, findings)
        self._read(walk, rows)
        check_lists(records, findings)
        for export in exports:
            self._compare(export, findings)
        suspects = rows.suspects()
        for begin in range(0, len(suspects), _BATCH):
            with self.checkpoints.database.transaction():
                self._read(walk, rows)
                rows.settle(suspects[begin : begin + _BATCH])
        with self.checkpoints.database.transaction():
            self._read(walk, rows)
            rows.settle_others()
        walk.finish()
        return Verification(walk.seq, walk.root, len(heads), findings)

    def _read(self, walk: AuditWalk, rows: Reconciliation) -> None:
        """Read on to the end of the log."""
        for page in self.checkpoints.log.pages(after=walk.seq):
            rows.read(walk.read(page))

    def _heads(self, files: Sequence[Path], exports: Sequence[Path], findings: Findings) -> list[Checkpoint]:
        """Return every checkpoint that is signed as it should be, each once."""
        found, rest = read_checkpoints("\n".join(self.checkpoints.store.notes()))
        self._tell_of_rest("the database", rest, findings)
        for path in (self.checkpoints.file.path, *files):
            saved, rest = CheckpointFile(path).all()
            if path in files and not saved:
                raise InvalidInput(f"There is no checkpoint in {path}.")
            self._tell_of_rest(str(path), rest, findings)
            found += saved
        for path in exports:
            newest = CheckpointFile(path).newest()
            if newest is None:
                raise InvalidInput(f"There is no checkpoint at the end of {path}.")
            found.append(newest)
        different = {head.note: head for head in found}.values()
        return [head for head in different if self._is_signed(head, findings)]

    def _tell_of_rest(self, where: str, rest: str, findings: Findings) -> None:
        if rest:
            findings.add(FindingKind.CHECKPOINT, f"In {where} stands what is no checkpoint: {rest[:60]!r}.")

    def _is_signed(self, checkpoint: Checkpoint, findings: Findings) -> bool:
        signed = self.checkpoints.signer.verifier.has_signed(checkpoint)
        if not signed:
            findings.add(
                FindingKind.CHECKPOINT,
                f"One of {checkpoint.size} entries is not signed by this log's key ({checkpoint.origin[:50]}).",
            )
        return signed

    def _compare(self, export: Path, findings: Findings) -> None:
        """Hold the entries of an export against those of the log."""
        theirs = _exported(export)
        begin = next(theirs, None)
        if begin is None:
            return
        number = _number(begin, export)
        ours = (entry for page in self.checkpoints.log.pages(after=number - 1) for _, _, entry, _ in page)
        for seq, their in enumerate(chain([begin], theirs), start=number):
            our = next(ours, None)
            if our is None:
                findings.add(FindingKind.TRUNCATED, f"The log ends before entry {seq}, which {export} has.")
                return
            if their != our:
                findings.add(FindingKind.REWRITTEN, f"Entry {seq} is not the one in {export}.")


def _exported(export: Path) -> Iterator[str]:
    """Yield the lines of entries; the checkpoint stands behind them."""
    with export.open(encoding="utf-8", errors="replace") as file:
        yield from takewhile(lambda line: line.startswith("{"), (line.removesuffix("\n") for line in file))


def _number(line: str, export: Path) -> int:
    try:
        return int(json.loads(line)["seq"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInput(f"The first line of {export} is no audit entry.") from error
