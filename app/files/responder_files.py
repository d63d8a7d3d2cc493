"""The keys of the OCSP responders, each in one file with its certificate, so that the two always fit."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import ConfigurationError, InvalidInput
from app.files.protected import make_directory, read_private, write_over
from app.pki.ocsp_responder import OcspResponder

if TYPE_CHECKING:
    from pathlib import Path

_MAX_BYTES: Final = 16 * 1024  # an ML-DSA-87 signature is 4.6 kB, in base64 6.2
_PEM: Final = serialization.Encoding.PEM

Version = tuple[int, ...]
"""Tells one file from the one that took its name."""


@dataclass(frozen=True)
class ResponderFiles:
    """``<CA>.pem``: encrypted PKCS#8 and a certificate, 0600 in a 0700 directory, only ever replaced whole."""

    directory: Path
    passphrase: bytes = field(repr=False)

    def path(self, ca_name: str) -> Path:
        """Return where the responder of a CA lies."""
        return self.directory / f"{ca_name}.pem"

    def version(self, ca_name: str) -> Version | None:
        """Return what changes when the file is replaced; None when there is none."""
        try:
            status = self.path(ca_name).stat()
        except OSError:
            return None
        return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_ctime_ns, status.st_size

    def load(self, ca_name: str) -> OcspResponder:
        """Return the responder; raise :class:`ConfigurationError` when the file cannot be used."""
        path = self.path(ca_name)
        pem = read_private(path)
        try:
            key = serialization.load_pem_private_key(pem, self.passphrase)
            certificate = x509.load_pem_x509_certificate(pem)
            if not isinstance(key, ec.EllipticCurvePrivateKey):
                raise ConfigurationError(f"{path} holds a key that is not of an OCSP responder.")
            return OcspResponder(certificate, key)
        except (ValueError, TypeError, InvalidInput) as error:
            raise ConfigurationError(f"{path} is no key and certificate of an OCSP responder.") from error

    def check_writable(self) -> None:
        """Write as much as a responder takes, and remove it; raise :class:`ConfigurationError` when that fails."""
        make_directory(self.directory)
        probe = self.directory / ".probe"
        try:
            write_over(probe, bytes(_MAX_BYTES))
            probe.unlink()
        except OSError as error:
            raise ConfigurationError(f"{self.directory} cannot be written: {error.strerror}.") from error

    def save(self, ca_name: str, responder: OcspResponder) -> None:
        """Put the responder in the place of the one before it. One process at a time (the lock of the renewal)."""
        make_directory(self.directory)
        encryption = serialization.BestAvailableEncryption(self.passphrase)
        key = responder.key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption)
        write_over(self.path(ca_name), key + responder.certificate.public_bytes(_PEM))
