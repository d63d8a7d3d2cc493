"""What was done with an offline key, as one text: to be read out, printed and signed by hand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives import hashes

from app.errors import InvalidInput
from app.pki.key_identity import public_key_sha256_of

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True)
class Circumstances:
    """Who holds a ceremony, by which command line, with which version of the program."""

    operator: str
    command: str
    tool: str


@dataclass
class CeremonyRecord:
    """Grows line by line; ``save`` gets the whole text each time, so that what a kill leaves is true."""

    save: Callable[[str], None]
    _lines: list[str] = field(default_factory=list, init=False)

    def begin(self, circumstances: Circumstances, now: datetime) -> None:
        """Say who, how and when."""
        self._lines.append("midca ceremony record")
        self.note("time", now.isoformat(timespec="seconds"))
        self.note("operator", circumstances.operator)
        self.note("command", circumstances.command)
        self.note("tool", circumstances.tool)

    def note(self, name: str, value: object) -> None:
        """Add a line; a value with line breaks in it does not make others."""
        self._lines.append(f"{name + ':':36} {' '.join(str(value).split())}")
        self.save(self.text)

    def note_to_be_signed(self, tbs: bytes) -> None:
        """Add the hash of what will be signed; nothing is signed before it is on the medium."""
        self.note("to be signed, SHA-256", hashlib.sha256(tbs).hexdigest())

    def note_certificate(self, whose: str, certificate: x509.Certificate) -> None:
        """Add what identifies a certificate."""
        self.note(f"{whose} public key, SHA-256", public_key_sha256_of(certificate.public_key()))
        self.note(f"{whose} certificate, SHA-256", certificate.fingerprint(hashes.SHA256()).hex())

    @property
    def text(self) -> str:
        """The record."""
        return "".join(f"{line}\n" for line in self._lines)

    @property
    def sha256(self) -> str:
        """By what the audit log knows the record."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class CeremonialFile(NamedTuple):
    """What a ceremony hands over: the hash of its record (None where there is none), and what it signed, as PEM."""

    record_sha256: str | None
    pem: bytes

    @classmethod
    def from_text(cls, text: str) -> CeremonialFile:
        """Split the text at the first block of PEM; raise :class:`InvalidInput` when there is none."""
        record, begin, rest = text.partition("-----BEGIN ")
        if not begin:
            raise InvalidInput("The file holds no PEM.")
        sha256 = hashlib.sha256(record.encode()).hexdigest() if record.strip() else None
        return cls(sha256, (begin + rest).encode())
