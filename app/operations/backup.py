"""Backs up what cannot be made again, beside a server at work, and looks whether a backup is good."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime
from io import BufferedRandom
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from app.errors import InvalidInput, Unavailable
from app.files.backup_file import (
    CERTIFICATES,
    CHECKPOINTS,
    DATABASE,
    PROFILES,
    SECRETS,
    Manifest,
    files_below,
    open_backup,
    packed,
    write_backup,
)
from app.files.end_entity_profile_files import END_ENTITIES
from app.files.presence import is_there
from app.files.protected import exclusive, writing_once
from app.files.sealed import seal
from app.store.audit_log import Action, AuditLog
from app.store.integrity import problems
from app.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.files.places import Places
    from app.operations.actor import Actor
    from app.store.database import Database
    from app.store.restores import RestoreStore


@dataclass(frozen=True)
class MadeBackup:
    """What was backed up: ``entries`` of the audit log, so many octets, and whether the keys are in it."""

    path: Path
    sha256: str
    octets: int
    entries: int
    with_keys: bool


@dataclass(frozen=True)
class Backup:
    """Makes backups. ``verifier`` is the public key of the audit log's checkpoints, ``version`` that of midca."""

    places: Places
    database: Database
    audit: AuditLog
    restores: RestoreStore
    verifier: str
    version: str
    now: Callable[[], datetime]

    def make(self, path: Path, actor: Actor, *, passphrase: str | None = None) -> MadeBackup:
        """Write a backup to the new file ``path``; with a passphrase the keys and secrets too, sealed with it.

        The audit entry is written when the backup is whole and before it has its name. Raises :class:`Unavailable`
        when the file cannot be written; then there is none.
        """
        if is_there(path):
            raise InvalidInput(f"{path} is there already; a backup replaces nothing.")
        try:
            with writing_once(path) as file:
                entries = self._write(file, path, passphrase)
                file.seek(0)
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
                made = MadeBackup(path, sha256, file.tell(), entries, passphrase is not None)
                self._record(made, actor)
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise Unavailable(f"The backup {path} cannot be made: {error.strerror}{where}.") from error
        return made

    def _write(self, file: BufferedRandom, path: Path, passphrase: str | None) -> int:
        """Write all there is at one moment; return how long the audit log then was."""
        with (
            TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as beside,
            exclusive(self.places.setup_lock),  # no CA is made and no secret changed meanwhile
        ):
            members = self._members()  # the checkpoints among them first: what they cover is in the copy then
            seal_of_secrets = None
            if passphrase is not None:
                members[SECRETS], seal_of_secrets = seal(packed(self._secrets()), passphrase)
            copy = Path(beside) / DATABASE
            self.database.copy_to(copy, self.places.migrations)
            entries, found = _examined(copy)
            if found:
                raise Unavailable(f"The database is damaged, and no backup is made of it: {'; '.join(found)}.")
            manifest = Manifest(self.now(), self.version, entries, self.verifier, seal_of_secrets, {})
            write_backup(file, manifest, {DATABASE: copy, **members})
        return entries

    def _members(self) -> dict[str, bytes | Path]:
        checkpoints = self.places.checkpoints
        members: dict[str, bytes | Path] = {CHECKPOINTS: checkpoints.read_bytes()} if is_there(checkpoints) else {}
        members |= files_below(self.places.authorities / "certificates", CERTIFICATES)
        members |= files_below(self.places.profiles, PROFILES)
        return members | files_below(self.places.end_entity_profiles, f"{PROFILES}{END_ENTITIES}/")

    def _secrets(self) -> dict[str, bytes]:
        return files_below(self.places.authorities, "ca/") | files_below(self.places.secrets, "secrets/")

    def _record(self, made: MadeBackup, actor: Actor) -> None:
        now = self.now()
        details = {"sha256": made.sha256, "entries": made.entries, "with_keys": made.with_keys}
        with self.database.transaction():
            entry = self.audit.append(now, actor.entry(Action.BACKUP_MADE, made.path.name, details))
            self.restores.add_backup(entry, now)


def verify_backup(path: Path) -> Manifest:
    """Read a backup from end to end and have SQLite look at the database in it; return what it says of itself.

    Raises :class:`InvalidInput` with what is wrong. It needs room for the database in the temporary directory.
    """
    try:
        with open_backup(path) as backup, TemporaryDirectory() as directory:
            copy = Path(directory) / DATABASE
            for name in backup.manifest.files:
                with (copy if name == DATABASE else Path(os.devnull)).open("wb") as target:
                    backup.copy(name, target)
            entries, found = _examined(copy)
    except OSError as error:
        raise InvalidInput(f"{path} cannot be verified: {error.strerror}.") from error
    if found:
        raise InvalidInput(f"{path}: the database is damaged: {'; '.join(found)}.")
    if entries != backup.manifest.entries:
        raise InvalidInput(f"{path}: the audit log has {entries} entries, the manifest says {backup.manifest.entries}.")
    return backup.manifest


def _examined(copy: Path) -> tuple[int, list[str]]:
    """Return how long the audit log in a database file is, and what is wrong with the file."""
    database = SqliteDatabase(copy)
    try:
        return AuditLog(database).size(), problems(database)
    finally:
        database.close()
