"""Backups of an installation of a test, and what is restored of them beside it."""

import shutil
from pathlib import Path

from app.bootstrap import utc_now
from app.command import _places
from app.operations.backup import Backup, MadeBackup
from app.operations.restoring import Restored, Restoring
from tests.conftest import ACTOR, Installation, settings_for

PASSPHRASE = "a passphrase of its own"


def back_up(installation: Installation, name: str = "backup.tar", *, passphrase: str | None = None) -> MadeBackup:
    checkpoints = installation.services.checkpoints
    backup = Backup(
        _places(installation.settings),
        installation.services.database,
        checkpoints.log,
        checkpoints.restores,
        str(checkpoints.signer.verifier),
        "0.1.0",
        installation.clock,
    )
    return backup.make(installation.base / name, ACTOR, passphrase=passphrase)


def export(installation: Installation, name: str = "log.jsonl") -> Path:
    """What ``midca audit export`` writes."""
    head = installation.services.checkpoints.write()
    entries = [row[0] for row in installation.sql("SELECT entry FROM audit_log ORDER BY seq")]
    path = installation.base / name
    path.write_text("".join(f"{entry}\n" for entry in entries) + head.note)
    return path


def restore(base: Path, file: Path, now=utc_now, *, passphrase: str = PASSPHRASE, **options) -> Restored:
    """Restore into ``base/data``."""
    return Restoring(_places(settings_for(base)), now).run(file, ACTOR, passphrase=lambda: passphrase, **options)


class RestoredInstallation(Installation):
    """An installation that begins with a restore of a backup of another one, into a directory beside it."""

    def __init__(self, other: Installation, file: Path, **options) -> None:
        base = other.base / "restored"
        base.mkdir()
        (base / "profiles").symlink_to(other.base / "profiles")
        self.done = restore(base, file, other.clock, **options)
        # What is kept elsewhere is put back.
        for path in (other.settings.authority_files / "keys", other.settings.audit_key.parent):
            shutil.copytree(path, base / path.relative_to(other.base), dirs_exist_ok=True)
        super().__init__(base, clock=other.clock)
