"""Secrets that are neither in the database nor beside the keys they protect.

Each is looked for as a systemd credential (``$CREDENTIALS_DIRECTORY/<name>``), then as the file that a setting names,
then in the environment, and last in the data directory, where a first start makes a random one of 256 bits.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError
from app.files.protected import make_directory, read_private, write_once

if TYPE_CHECKING:
    from pathlib import Path

_MIN_LENGTH: Final = 16
_BYTES: Final = 32


@dataclass(frozen=True)
class SecretSource:
    """Where one secret may come from; the first that is there wins. ``default`` is the file a first start makes."""

    name: str
    credential: Path | None
    file: Path | None
    value: str | None = field(repr=False)
    default: Path

    def read(self, *, create: bool) -> bytes:
        """Return the secret; make the default file only when ``create`` says that nothing depends on it yet."""
        if self.credential is not None and self.credential.exists():
            secret = _read(self.credential)  # systemd itself sees to its mode
        elif self.file is not None:
            secret = read_private(self.file)
        elif self.value is not None:
            secret = os.fsencode(self.value)
        else:
            secret = self._default(create=create)
        secret = secret.strip()
        if len(secret) < _MIN_LENGTH:
            raise ConfigurationError(f"The secret {self.name} is shorter than {_MIN_LENGTH} characters.")
        return secret

    def _default(self, *, create: bool) -> bytes:
        if not self.default.exists():
            if not create:
                raise ConfigurationError(
                    f"{self.default} is missing: what it protects is there and cannot be used without it. "
                    "Put it back from your backup."
                )
            make_directory(self.default.parent)
            write_once(self.default, secrets.token_urlsafe(_BYTES).encode() + b"\n")
        return read_private(self.default)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
