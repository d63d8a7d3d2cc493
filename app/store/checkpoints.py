"""Checkpoints of the audit log, each with what the tree goes on from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.pki.merkle_tree import MerkleTree
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from app.pki.checkpoint import Checkpoint
    from app.store.database import Database, Row


@dataclass(frozen=True)
class StoredCheckpoint:
    """A checkpoint's note, when it was written, and the right edge of its tree."""

    size: int
    at: datetime
    edge: tuple[bytes, ...]
    note: str

    def tree(self) -> MerkleTree:
        """Return the tree, ready to go on."""
        return MerkleTree(self.size, self.edge)


class CheckpointStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def add(self, checkpoint: Checkpoint, tree: MerkleTree, now: datetime) -> None:
        """Record a checkpoint of the tree."""
        edge = " ".join(subtree.hex() for subtree in tree.edge)
        row = {"size": checkpoint.size, "at": to_text(now), "edge": edge, "note": checkpoint.note}
        self._database.insert("audit_checkpoints", row)

    def newest(self, *, up_to: int | None = None) -> StoredCheckpoint | None:
        """Return the newest checkpoint, of those that cover no more than so many entries."""
        row = self._database.row(
            "SELECT size, at, edge, note FROM audit_checkpoints WHERE size <= coalesce(:up_to, size) "
            "ORDER BY size DESC LIMIT 1",
            up_to=up_to,
        )
        return _read(row) if row else None

    def notes(self) -> list[str]:
        """Return all notes, oldest first."""
        return [row["note"] for row in self._database.rows("SELECT note FROM audit_checkpoints ORDER BY size")]


def _read(row: Row) -> StoredCheckpoint:
    edge = tuple(bytes.fromhex(text) for text in row["edge"].split())
    return StoredCheckpoint(row["size"], from_text(row["at"]), edge, row["note"])
