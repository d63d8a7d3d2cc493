"""The key that signs checkpoints of the audit log, and the file they are appended to."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.errors import ConfigurationError, Unavailable
from app.files.presence import is_there
from app.files.private_keys import PrivateKeys, check_key
from app.files.protected import make_directory, write_over
from app.pki.checkpoint import NoteSigner, NoteVerifier, read_checkpoints

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from app.pki.checkpoint import Checkpoint

_TAIL: Final = 8192  # bytes; a checkpoint has about 200


def checkpoint_signer(
    path: Path, private_keys: PrivateKeys, *, create: bool, retired: Collection[NoteVerifier] = ()
) -> NoteSigner:
    """Return what signs with the key in ``path``; make it only when ``create`` says that it never signed.

    The key is encrypted with the passphrase of the CA keys: a copy of the data directory without the passphrase can
    sign neither certificates nor checkpoints. One that is ``retired`` never signs again: a log that was restored is
    another one from there on, and must not sign what contradicts the checkpoints of before.
    """
    signer = _load(path, private_keys) if is_there(path) else None
    if signer is not None and str(signer.verifier) not in map(str, retired):
        return signer
    if not create:
        raise ConfigurationError(
            f"{path} is {'missing' if signer is None else 'the one of before a restore'}, and another one has signed "
            "checkpoints of the audit log. Put that one back from your backup."
        )
    make_directory(path.parent)
    write_over(path, private_keys.seal(Ed25519PrivateKey.generate()))
    return _load(path, private_keys)


def _load(path: Path, private_keys: PrivateKeys) -> NoteSigner:
    key = private_keys.load(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} is no Ed25519 key.")
    check_key("the audit log", key, key.public_key())
    return NoteSigner(key)


@dataclass(frozen=True)
class CheckpointFile:
    """Signed notes, one behind the other, an empty line between them. It holds no secret; others may be let in."""

    path: Path

    def append(self, checkpoint: Checkpoint) -> None:
        """Add a checkpoint; it is on disk when this returns."""
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(descriptor, f"{checkpoint.note}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be written: {error.strerror}.") from error

    def newest(self) -> Checkpoint | None:
        """Return the last checkpoint, or None when there is none."""
        found, _ = read_checkpoints(self._read(_TAIL))
        return found[-1] if found else None

    def all(self) -> tuple[list[Checkpoint], str]:
        """Return every checkpoint, and whatever else is in the file."""
        return read_checkpoints(self._read(None))

    def _read(self, tail: int | None) -> str:
        try:
            with suppress(FileNotFoundError), self.path.open("rb") as file:
                if tail is not None:
                    file.seek(max(0, file.seek(0, os.SEEK_END) - tail))
                return file.read().decode(errors="replace")
        except OSError as error:
            raise Unavailable(f"{self.path} cannot be read: {error.strerror}.") from error
        return ""


def exported_lines(export: Path) -> Iterator[str]:
    """Yield the entries of an export of the log, as they stand there; the checkpoint stands behind them."""
    with export.open(encoding="utf-8", errors="replace") as file:
        yield from takewhile(lambda line: line.startswith("{"), (line.removesuffix("\n") for line in file))
