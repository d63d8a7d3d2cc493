"""Secrets that are neither in the database nor beside the keys they protect.

Each is looked for as a systemd credential (``$CREDENTIALS_DIRECTORY/<name>``), then as the file that a setting names,
then in the environment, and last in the data directory, where a first start makes a random one of 256 bits.

The first line is the secret. Lines behind it are earlier secrets that still open what they closed: a secret is changed
without an end to anything that is under way.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError
from app.files.presence import is_there
from app.files.protected import make_directory, read_private, version_of, write_once, write_over

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger("midca")
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

    def read(self, *, create: bool) -> tuple[bytes, ...]:
        """Return the secret and those before it; make the default file only when ``create`` says that it may.

        It may while nothing depends on the secret yet.
        """
        if self.is_credential:
            content = _read(self.credential)  # type: ignore[arg-type] # systemd itself sees to its mode
        elif self.file is not None:
            content = read_private(self.file)
        elif self.value is not None:
            content = os.fsencode(self.value)
        else:
            content = self._default(create=create)
        lines = tuple(line.strip() for line in content.splitlines() if line.strip())
        if not lines or min(map(len, lines)) < _MIN_LENGTH:
            raise ConfigurationError(f"The secret {self.name} is shorter than {_MIN_LENGTH} characters.")
        return lines

    @property
    def is_ours(self) -> bool:
        """Whether it is a file, which midca may write, and not given by systemd or the environment."""
        return not self.is_credential and self.path is not None

    @property
    def is_credential(self) -> bool:
        """Whether it comes from systemd."""
        return self.credential is not None and is_there(self.credential)

    @property
    def path(self) -> Path | None:
        """The file it comes from; None when it is an environment variable."""
        if self.is_credential:
            return self.credential
        return self.file or (self.default if self.value is None else None)

    def replace(self, lines: Sequence[bytes]) -> None:
        """Write all lines anew; raise :class:`ConfigurationError` where that is not for midca to do."""
        if self.path is None or not self.is_ours:
            raise ConfigurationError(f"{self} is not a file that midca may write.")
        try:
            write_over(self.path, b"".join(line + b"\n" for line in lines))
        except OSError as error:
            raise ConfigurationError(f"{self} cannot be written: {error.strerror}.") from error

    def __str__(self) -> str:
        """Return where it comes from, as an operator would say it."""
        if self.is_credential and self.credential is not None:
            return f"the systemd credential {self.credential.name}"
        return f"the environment variable {self.name}" if self.path is None else str(self.path)

    def _default(self, *, create: bool) -> bytes:
        if not is_there(self.default):
            if not create:
                raise ConfigurationError(
                    f"{self.default} is missing: what it protects is there and cannot be used without it. "
                    "Put it back from your backup."
                )
            make_directory(self.default.parent)
            write_once(self.default, new_secret() + b"\n")
        return read_private(self.default)


class Secret:
    """A secret as it is now: a process that goes on for months reads it again when its file was replaced.

    ``check`` raises :class:`ConfigurationError` for lines that cannot be right.
    """

    def __init__(
        self, source: SecretSource, *, create: bool, check: Callable[[tuple[bytes, ...]], object] = bool
    ) -> None:
        """Read it; raises as :meth:`SecretSource.read` does."""
        self.source = source
        self._check = check
        version = self._version_now()
        self._known = version, self._read(create=create)
        self._told = version

    def __call__(self) -> tuple[bytes, ...]:
        """Return the secret, and behind it those before it. While it cannot be read, it is what it was."""
        known, lines = self._known
        version = None
        try:
            version = self._version_now()
            if version == known:
                return lines
            lines = self._read(create=False)
        except ConfigurationError as error:
            if version != self._told:
                _log.warning("the secret %s stays as it was: %s", self.source.name, error)
            self._told = version
        else:
            self._known = version, lines
        return lines

    def _read(self, *, create: bool) -> tuple[bytes, ...]:
        lines = self.source.read(create=create)
        self._check(lines)
        return lines

    def _version_now(self) -> tuple[int, ...] | None:
        path = self.source.path
        return version_of(path) if path is not None else None


def new_secret() -> bytes:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(_BYTES).encode()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
