"""Opens what is in the data directory, and makes what a first start puts there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError
from app.files.authority_files import AuthorityFiles
from app.files.checkpoint_files import CheckpointFile, checkpoint_signer
from app.files.private_keys import PrivateKeys
from app.files.protected import write_once
from app.operations.access_tokens import AccessTokens
from app.operations.actor import SYSTEM
from app.operations.checkpoints import Checkpoints
from app.pki.declared_authority import DeclaredAuthority
from app.settings import Settings
from app.storage import turn
from app.store.audit_log import AuditLog
from app.store.certificates import CertificateStore
from app.store.checkpoints import CheckpointStore
from app.store.database import Database


def check_remembered(
    files: AuthorityFiles, declared: Iterable[DeclaredAuthority], certificates: CertificateStore, offline: set[str]
) -> None:
    """Refuse a database and a directory that do not know the same CAs: they do not belong together."""
    for name in sorted({*files.names(), *(authority.name for authority in declared)}):
        own = {stored.certificate for stored in certificates.all_own_of_authority(name)}
        certificate = files.certificate(name)
        if certificate is not None and not own:
            raise ConfigurationError(
                f"The database knows nothing of the CA {name}, which is on disk in {files.directory}; put the right "
                "one back from your backup."
            )
        has_key = name in offline or files.has_key(name)
        if own and (not has_key or (certificate is not None and certificate.public_bytes(Encoding.DER) not in own)):
            raise ConfigurationError(
                f"The database knows the CA {name}, but {files.directory} does not hold its key and certificate; copy "
                "ca/ and secrets/ from the server that made it."
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
        turn(settings, "audit"),
    )
