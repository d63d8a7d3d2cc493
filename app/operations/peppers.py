"""The keys that enrolment passwords are hashed with: one for new ones, and earlier ones until nobody needs them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Final

from cryptography.hazmat.primitives import hashes, hmac

from app.errors import ConfigurationError

_UNTIL: Final = b"\tuntil "
_KID_BYTES: Final = 4


@dataclass(frozen=True)
class Pepper:
    """A line of the secret: the pepper and, behind a tab, until when it is good (``until 2026-01-31T00:00+00:00``)."""

    secret: bytes = field(repr=False)
    until: datetime | None = None

    @cached_property
    def kid(self) -> str:
        """The short name that a verifier has for it; tells no more of it than any verifier does."""
        mac = hmac.HMAC(self.secret, hashes.SHA256())
        mac.update(b"kid/1")
        return mac.finalize()[:_KID_BYTES].hex()

    @classmethod
    def from_line(cls, line: bytes) -> Pepper:
        """Read a line; raise :class:`ConfigurationError` for a date that is none."""
        secret, found, until = line.partition(_UNTIL)
        if not found:
            return cls(secret)
        try:
            return cls(secret, datetime.fromisoformat(until.decode().strip()).astimezone())
        except ValueError as error:
            raise ConfigurationError("A pepper has an end that is no time like 2026-01-31T00:00+00:00.") from error

    def to_line(self) -> bytes:
        """Return the line."""
        return self.secret if self.until is None else self.secret + _UNTIL + self.until.isoformat().encode()

    def is_good(self, now: datetime) -> bool:
        """Return whether passwords that were hashed with it still count."""
        return self.until is None or now < self.until


def peppers_of(lines: Iterable[bytes]) -> tuple[Pepper, ...]:
    """Return the peppers of a secret's lines; the first is for new passwords, and so has no end."""
    peppers = tuple(Pepper.from_line(line) for line in lines)
    if peppers[0].until is not None:
        raise ConfigurationError("The first pepper is for new passwords and can have no end.")
    return peppers
