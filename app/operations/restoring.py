"""Restores a backup into an empty data directory, so that what happened since can neither repeat nor contradict itself.

What a backup does not know is dangerous: a password that was spent since would be good once more, a token that was
revoked since is, and numbers of revocation lists would be given out twice. So passwords and tokens end, numbers go on
far above all that may have been given out, every list is issued anew, and the audit log says so. An export of the log
brings back what it tells of.
"""

from __future__ import annotations

import os
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, InvalidInput, Unavailable
from app.files.backup_file import (
    CERTIFICATES,
    CHECKPOINTS,
    DATABASE,
    PROFILES,
    SECRETS,
    BackupReader,
    open_backup,
    unpacked,
)
from app.files.checkpoint_files import CheckpointFile
from app.files.end_entity_profile_files import END_ENTITIES
from app.files.presence import is_file, is_there
from app.files.protected import exclusive, make_directory, sync_directory, write_over
from app.files.sealed import unseal
from app.operations.replay import Replay
from app.pki.checkpoint import NoteVerifier
from app.store.access_tokens import AccessTokenStore
from app.store.audit_log import Action, AuditLog
from app.store.copying import copy
from app.store.end_entities import EndEntityStore
from app.store.restores import Restore, RestoreStore
from app.store.revocation_lists import RevocationListStore
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.files.places import Places
    from app.operations.actor import Actor
    from app.store.database import Database

LIST_NUMBERS: Final = 1 << 20
"""How far above the clock numbers of revocation lists go on: for lists issued by the second, and clocks that differ."""


@dataclass(frozen=True)
class Restored:
    """What a restore did. ``lost`` are entries of the audit log that a checkpoint covers and nobody brought back."""

    made_at: datetime
    entries: int
    replayed: int
    lost: int
    passwords_ended: int
    tokens_ended: int
    with_keys: bool
    profiles: Path | None


@dataclass(frozen=True)
class Restoring:
    """Restores into ``places``; until it is done, no program takes the directory for a whole one.

    ``elsewhere`` opens the database where it is none in the data directory; it must be empty.
    """

    places: Places
    now: Callable[[], datetime]
    elsewhere: Callable[[], Database] | None = None

    def run(
        self,
        path: Path,
        actor: Actor,
        *,
        passphrase: Callable[[], str],
        export: Path | None = None,
        keep_credentials: bool = False,
    ) -> Restored:
        """Restore the backup ``path``; ``passphrase`` is asked for when there are secrets in it.

        ``export`` is one of the audit log: what it tells of behind the backup is done again. ``keep_credentials``
        leaves passwords and tokens as they were. One that was interrupted is simply run again. Raises
        :class:`Conflict` for a directory that is not empty, :class:`InvalidInput` for what does not fit together.
        """
        self._check_empty()
        make_directory(self.places.data)
        try:
            with exclusive(self.places.setup_lock), open_backup(path) as backup:
                self._check_empty()
                NoteVerifier.from_text(backup.manifest.verifier)  # refused now rather than half-way
                secrets = self._secrets(backup, passphrase)
                self._copy_database(backup)
                profiles = self._put_files(backup, secrets)
                replayed, ended = self._continue(backup, actor, export, keep_credentials=keep_credentials)
                lost = self._lost(backup, replayed)
                self._put_database()
        except OSError as error:
            raise Unavailable(f"{path} cannot be restored: {error.strerror}. Then run it again.") from error
        manifest = backup.manifest
        return Restored(manifest.made_at, manifest.entries, replayed, lost, *ended, bool(secrets), profiles)

    def _check_empty(self) -> None:
        data, unfinished = self.places.data, self.places.unfinished_restore
        ignored = {self.places.setup_lock.name, "lost+found"}
        if is_there(data) and not is_there(unfinished) and {path.name for path in data.iterdir()} - ignored:
            raise Conflict(f"{data} is not empty: a backup is only restored into an empty directory.")

    def _secrets(self, backup: BackupReader, passphrase: Callable[[], str]) -> dict[str, bytes]:
        seal = backup.manifest.seal
        return {} if seal is None else unpacked(unseal(backup.read(SECRETS), passphrase(), dict(seal)))

    def _copy_database(self, backup: BackupReader) -> None:
        """Put the database where it is known as unfinished, before anything else."""
        self._tidy()  # what a restore that was killed has left
        descriptor = os.open(self.places.unfinished_restore, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as target:
            backup.copy(DATABASE, target)

    def _put_files(self, backup: BackupReader, secrets: dict[str, bytes]) -> Path | None:
        """Write all but the database; return where the profiles are, None when those in use are the same."""
        for name in backup.names(CERTIFICATES):
            self._put(self.places.authorities / name.removeprefix("ca/"), backup.read(name), mode=0o644)
        for name, content in secrets.items():
            if name.startswith("secrets/"):
                self._put(self.places.secrets / name.removeprefix("secrets/"), content)
            elif not name.startswith(CERTIFICATES):
                self._put(self.places.authorities / name.removeprefix("ca/"), content)
        if CHECKPOINTS in backup.manifest.files and not is_there(self.places.checkpoints):
            self._put(self.places.checkpoints, backup.read(CHECKPOINTS))
        profiles = {name.removeprefix(PROFILES): backup.read(name) for name in backup.names(PROFILES)}
        if all(_is(self._in_use(name), content) for name, content in profiles.items()):
            return None
        for name, content in profiles.items():
            self._put(self.places.data / PROFILES / name, content)
        return self.places.data / PROFILES

    def _in_use(self, name: str) -> Path:
        folder, _, rest = name.partition("/")
        return self.places.end_entity_profiles / rest if folder == END_ENTITIES else self.places.profiles / name

    def _put(self, path: Path, content: bytes, *, mode: int = 0o600) -> None:
        make_directory(self.places.authorities)  # or it would be made on the way to what is in it, for all to enter
        make_directory(path.parent)
        write_over(path, content, mode=mode)

    def _continue(
        self, backup: BackupReader, actor: Actor, export: Path | None, *, keep_credentials: bool
    ) -> tuple[int, tuple[int, int]]:
        """Bring the database up to date and mark it; return how many entries were replayed, and what ended."""
        database = SqliteDatabase(self.places.unfinished_restore)
        try:
            migrate(database, self.places.migrations)
            if AuditLog(database).size() != backup.manifest.entries:
                raise InvalidInput(f"{backup.path}: the audit log is not as long as the manifest says.")
            with database.transaction():
                replayed = self._replay(database, backup, export)
                passwords = 0 if keep_credentials else EndEntityStore(database).disarm_all()
                # Its entry is the first that did not come with the backup: there the log parts from the one before.
                self._mark(database, backup, actor, {"replayed": replayed, "passwords_ended": passwords})
                tokens = 0 if keep_credentials else self._end_tokens(database, actor)
        finally:
            database.close()
            self._tidy()
        return replayed, (passwords, tokens)

    def _tidy(self) -> None:
        """Remove what lies beside a database that is in use."""
        path = self.places.unfinished_restore
        for suffix in ("-journal", "-wal", "-shm", ".gate", ".lock"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)

    def _replay(self, database: Database, backup: BackupReader, export: Path | None) -> int:
        if export is None:
            return 0
        verifier = NoteVerifier.from_text(backup.manifest.verifier)
        return Replay(database, self.places.authorities).run(export, verifier)

    def _end_tokens(self, database: Database, actor: Actor) -> int:
        tokens, audit, now = AccessTokenStore(database), AuditLog(database), self.now()
        good = [token for token in tokens.all() if token.revoked_at is None]
        for token in good:
            tokens.revoke(token.name, now)
            audit.append(now, actor.entry(Action.TOKEN_REVOKED, token.name))
        return len(good)

    def _mark(self, database: Database, backup: BackupReader, actor: Actor, done: dict[str, int]) -> None:
        now, lists, manifest = self.now(), RevocationListStore(database), backup.manifest
        list_number = max(int(now.timestamp()), lists.highest_number_of_all()) + LIST_NUMBERS
        details = {
            "made_at": manifest.made_at.isoformat(),
            "database_sha256": manifest.files[DATABASE],
            "entries": manifest.entries,
            **done,
            "verifier": manifest.verifier,
            "list_number": list_number,
        }
        entry = AuditLog(database).append(now, actor.entry(Action.BACKUP_RESTORED, backup.path.name, details))
        RestoreStore(database).add(Restore(entry, now, manifest.verifier, list_number))
        RestoreStore(database).add_backup(entry, manifest.made_at)  # it is there, and of that time
        lists.mark_all_due()

    def _put_database(self) -> None:
        """Put the database in its place, last of all."""
        if self.elsewhere is None:
            self.places.unfinished_restore.rename(self.places.database)
        else:
            with closing(SqliteDatabase(self.places.unfinished_restore)) as source, closing(self.elsewhere()) as target:
                copy(source, target)
            self._tidy()
            self.places.unfinished_restore.unlink()
        sync_directory(self.places.data)

    def _lost(self, backup: BackupReader, replayed: int) -> int:
        """Return how many entries the newest saved checkpoint covers that are not here."""
        saved = CheckpointFile(self.places.checkpoints).newest()
        if saved is None or not NoteVerifier.from_text(backup.manifest.verifier).has_signed(saved):
            return 0
        return max(0, saved.size - backup.manifest.entries - replayed)


def _is(path: Path, content: bytes) -> bool:
    return is_file(path) and path.read_bytes() == content
