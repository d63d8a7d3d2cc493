"""Signs checkpoints of the audit log and puts them where they can be kept from whoever owns the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Unavailable
from app.pki.checkpoint import NoteVerifier, read_checkpoints
from app.pki.merkle_tree import MerkleTree, leaf_hash
from app.store.audit_log import chained

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.files.checkpoint_files import CheckpointFile
    from app.operations.actor import Actor
    from app.operations.turn import Turn
    from app.pki.checkpoint import Checkpoint, NoteSigner
    from app.store.audit_log import AuditLog
    from app.store.checkpoints import CheckpointStore
    from app.store.database import Database
    from app.store.restores import Restore, RestoreStore

ENTRIES: Final = 1000
"""After so many entries a checkpoint is due, however little time went by."""
_RETRY: Final = timedelta(minutes=1)


@dataclass
class Checkpoints:
    """One process at a time writes them: whose ``turn`` it is. An entry waits no longer than
    ``interval`` for its checkpoint.

    A log must never sign a checkpoint that contradicts an earlier one (c2sp.org/tlog-checkpoint), so the newest one in
    the file is compared before another is signed. The tree goes on from the last checkpoint; entries behind it are
    looked at by a start of the server and by a verification, not by every checkpoint. Of a log that was restored,
    checkpoints of before bind what came with the backup.
    """

    database: Database
    log: AuditLog
    store: CheckpointStore
    restores: RestoreStore
    file: CheckpointFile
    signer: NoteSigner
    now: Callable[[], datetime]
    interval: timedelta
    turn: Turn
    failed_at: datetime | None = None

    def checkpoint_due(self, _actor: Actor) -> int:
        """Write a checkpoint if one is due; return how many. After a failure, try again only a minute later."""
        now = self.now()
        if not self._due(now) or (self.failed_at is not None and now - self.failed_at < _RETRY):
            return 0
        with self.turn.held_if_free() as ours:
            if not ours or not self._due(now):
                return 0
            try:
                self._write()
            except Unavailable:
                self.failed_at = now
                raise
            return 1

    def write(self) -> Checkpoint | None:
        """Write a checkpoint now if there is anything new; return the newest."""
        with self.turn.held():
            newest = self.store.newest()
            if newest is None or newest.size < self.log.size():
                self._write()
        return self.file.newest()

    def check_saved(self) -> None:
        """Raise :class:`Unavailable` unless the log holds what the newest checkpoint in the file covers.

        This reads all of these entries, a few microseconds each.
        """
        saved = self._saved()
        if saved is not None:
            tree = MerkleTree()
            for leaf in self.log.leaves(range(saved.size)):
                tree.append(leaf)
            _compare(saved, tree)

    def _due(self, now: datetime) -> bool:
        size, newest = self.log.size(), self.store.newest()
        if newest is None or size <= newest.size:
            return size != (newest.size if newest else 0)  # one that shrank is due as well: to be told of
        # A clock that was set back must not put off checkpoints for as long as it was ahead.
        return size - newest.size >= ENTRIES or not timedelta(0) <= now - newest.at < self.interval

    def _write(self) -> None:
        tree = self._grown(self._saved())
        checkpoint = self.signer.checkpoint(tree.size, tree.root())
        # The file first: what is in it and not in the database is still true of the log.
        self.file.append(checkpoint)
        with self.database.transaction():
            self.store.add(checkpoint, tree, self.now())

    def _grown(self, saved: Checkpoint | None) -> MerkleTree:
        """Return the tree over all entries, grown from the last checkpoint and held against the one in the file."""
        begin = self.store.newest(up_to=saved.size if saved else None)
        if saved is None and begin is not None:  # the file was put aside, and another key must not begin a new one
            on_record, _ = read_checkpoints(begin.note)
            if not any(map(self._is_of_this_log, on_record)):
                raise Unavailable("The newest checkpoint on record is not signed by this log's key.")
        tree = begin.tree() if begin else MerkleTree()
        if begin is not None and self.log.size() < begin.size:
            raise Unavailable(_shorter(self.log.size(), begin.size))
        last = self.log.find(tree.size)
        chain = last["chain_sha256"] if last else ""
        compared = saved is None or _compared(saved, tree)
        for page in self.log.pages(after=tree.size):
            for seq, _, entry, recorded in page:
                chain = chained(chain, entry)
                if seq != tree.size + 1 or chain != recorded:
                    raise Unavailable(f"The audit log was changed at entry {seq}: run midca audit verify.")
                tree.append(leaf_hash(entry.encode()))
                compared = compared or (saved is not None and _compared(saved, tree))
        if saved is not None and not compared:
            _compare(saved, tree)
        return tree

    def _saved(self) -> Checkpoint | None:
        """Return the newest checkpoint in the file, None when it covers what a restore has lost."""
        saved = self.file.newest()
        if saved is None or self.signer.verifier.has_signed(saved):
            return saved
        restore = self._restore_after(saved)
        if restore is None:
            raise Unavailable(
                f"The newest checkpoint in {self.file.path} is not signed by this log's key: run midca audit verify."
            )
        return saved if saved.size < restore.entry else None

    def _is_of_this_log(self, checkpoint: Checkpoint) -> bool:
        restore = self._restore_after(checkpoint)
        return self.signer.verifier.has_signed(checkpoint) or (restore is not None and checkpoint.size < restore.entry)

    def _restore_after(self, checkpoint: Checkpoint) -> Restore | None:
        """Return the restore with which the key ended that signed a checkpoint."""
        restores = self.restores.all()
        signed = (one for one in restores if NoteVerifier.from_text(one.verifier).has_signed(checkpoint))
        return next(signed, None)


def _compared(saved: Checkpoint, tree: MerkleTree) -> bool:
    """Hold the tree against the checkpoint if it has just its size; return whether it had."""
    if tree.size == saved.size:
        _compare(saved, tree)
    return tree.size == saved.size


def _shorter(entries: int, covered: int) -> str:
    return f"The audit log has {entries} entries, a checkpoint covers {covered}: run midca audit verify."


def _compare(saved: Checkpoint, tree: MerkleTree) -> None:
    if tree.size < saved.size:
        raise Unavailable(_shorter(tree.size, saved.size))
    if tree.root() != saved.root:
        raise Unavailable(
            f"The first {saved.size} entries of the audit log are not those of its checkpoint: run midca audit verify."
        )
