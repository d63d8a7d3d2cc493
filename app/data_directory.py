"""Opens what is in the data directory, and makes what a first start puts there."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.errors import ConfigurationError
from app.files.authority_files import names_on_disk
from app.files.checkpoint_files import CheckpointFile, checkpoint_signer
from app.files.private_keys import PrivateKeys
from app.files.protected import write_once
from app.operations.access_tokens import AccessTokens
from app.operations.actor import SYSTEM
from app.operations.checkpoints import Checkpoints
from app.settings import Settings
from app.store.audit_log import AuditLog
from app.store.certificates import CertificateStore
from app.store.checkpoints import CheckpointStore
from app.store.database import Database, check_readable
from app.store.schema import migrate


def open_database(settings: Settings, *, create: bool) -> Database:
    """Open the database, brought up to date; make one only where there is no CA that it would know nothing of."""
    if not settings.database.exists():
        if not create:
            raise ConfigurationError(f"The database {settings.database} is missing.")
        if names_on_disk(settings.authority_files):
            raise ConfigurationError(
                f"The database {settings.database} is missing, but its CAs are there. A new one would know nothing of "
                "the certificates they issued; put the database back from your backup."
            )
    database = Database.create(settings.database)
    try:
        check_readable(database)
        migrate(database, settings.migrations)
    except BaseException:
        database.close()
        raise
    return database


def check_remembered(settings: Settings, certificates: CertificateStore) -> None:
    """Refuse a database that does not know the CAs on disk: it is not the one they signed by."""
    for name in names_on_disk(settings.authority_files):
        if certificates.own_of_authority(name) is None:
            raise ConfigurationError(
                f"The database {settings.database} knows nothing of the CA {name}, which is on disk; put the right one "
                "back from your backup."
            )


def write_admin_token(settings: Settings, tokens: AccessTokens) -> bool:
    """Give a CA without any token its first one: file first, then record, so that neither is without the other."""
    if tokens.store.all():
        return False
    settings.admin_token.unlink(missing_ok=True)
    tokens.create(
        "admin", SYSTEM, deliver=lambda token: write_once(settings.admin_token, token.encode() + b"\n", mode=0o600)
    )
    return True


def open_checkpoints(
    settings: Settings, database: Database, audit: AuditLog, keys: PrivateKeys, now: Callable[[], datetime]
) -> Checkpoints:
    """Return what signs checkpoints of the audit log; its key is made only if none was ever signed."""
    store = CheckpointStore(database)
    return Checkpoints(
        database,
        audit,
        store,
        CheckpointFile(settings.audit_checkpoints),
        checkpoint_signer(settings.audit_key, keys, create=store.newest() is None),
        now,
        settings.audit_checkpoint_interval,
        settings.data / ".audit.lock",
    )
