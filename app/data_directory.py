"""Opens what is in the data directory, and makes what a first start puts there."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

from app.errors import Unavailable
from app.files.checkpoint_files import CheckpointFile, checkpoint_signer
from app.files.private_keys import PrivateKeys
from app.files.protected import write_once
from app.operations.access_tokens import AccessTokens
from app.operations.actor import SYSTEM
from app.operations.checkpoints import Checkpoints
from app.pki.checkpoint import NoteVerifier
from app.settings import Settings
from app.storage import turn
from app.store.audit_log import AuditLog
from app.store.checkpoints import CheckpointStore
from app.store.database import Database
from app.store.restores import RestoreStore

_log = logging.getLogger("midca")


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
    """Return what signs checkpoints of the audit log; its key is made only if none signed since the last restore."""
    store, restores = CheckpointStore(database), RestoreStore(database)
    newest, restored = store.newest(), restores.all()
    has_signed = newest is not None and not (restored and newest.size < restored[-1].entry)
    retired = [NoteVerifier.from_text(restore.verifier) for restore in restored]
    return Checkpoints(
        database,
        audit,
        store,
        restores,
        CheckpointFile(settings.audit_checkpoints),
        checkpoint_signer(settings.audit_key, keys, create=not has_signed, retired=retired),
        now,
        settings.audit_checkpoint_interval,
        turn(settings, "audit"),
    )


def begin_checkpoints(checkpoints: Checkpoints) -> None:
    """Write what is due; say loudly when it must not be signed. It is no reason to leave devices without a CA."""
    _say_loudly(lambda: checkpoints.checkpoint_due(SYSTEM))


def check_audit_log(checkpoints: Checkpoints) -> None:
    """Say loudly when the log is not what was signed: seconds with a million entries, so it is beside the start."""
    _say_loudly(checkpoints.check_saved)


def _say_loudly(act: Callable[[], object]) -> None:
    try:
        act()
    except Unavailable as problem:
        _log.error("AUDIT LOG: %s", problem)
