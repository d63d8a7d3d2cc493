"""The keys of the OCSP responders, each in one file with its certificate, so that the two always fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError, InvalidInput
from app.files.presence import is_there
from app.files.private_keys import PrivateKeys, check_key
from app.files.protected import Version, make_directory, version_of, write_over
from app.pki.distribution_points import SEPARATOR
from app.pki.ocsp_responder import OcspResponder

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_MAX_BYTES: Final = 16 * 1024  # an ML-DSA-87 signature is 4.6 kB, in base64 6.2


@dataclass(frozen=True)
class ResponderFiles:
    """``<CA>.pem``: encrypted PKCS#8 and a certificate, 0600 in a 0700 directory, only ever replaced whole.

    ``<CA>~next.pem``: the key of a responder whose certificate has been asked for at the CA's offline key.
    """

    directory: Path
    private_keys: PrivateKeys

    def path(self, ca_name: str) -> Path:
        """Return where the responder of a CA lies."""
        return self.directory / f"{ca_name}.pem"

    def version(self, ca_name: str) -> Version | None:
        """Return what changes when the file is replaced; None when there is none."""
        return version_of(self.path(ca_name))

    def load(self, ca_name: str) -> OcspResponder:
        """Return the responder, its key tried out; raise :class:`ConfigurationError` when the file cannot be used."""
        path = self.path(ca_name)
        opened = self.private_keys.open(path)
        key = _elliptic(path, opened.key)
        try:
            responder = OcspResponder(x509.load_pem_x509_certificate(opened.rest), key)
        except (ValueError, InvalidInput) as error:
            raise ConfigurationError(f"{path} is no key and certificate of an OCSP responder.") from error
        check_key(f"the OCSP responder of CA {ca_name}", key, responder.certificate.public_key())
        return responder

    def next_key(self, ca_name: str) -> ec.EllipticCurvePrivateKey | None:
        """Return the key that waits for its certificate, or None."""
        path = self._next_path(ca_name)
        return _elliptic(path, self.private_keys.load(path)) if is_there(path) else None

    def save_next_key(self, ca_name: str, key: ec.EllipticCurvePrivateKey) -> None:
        """Keep a key until its certificate comes."""
        make_directory(self.directory)
        write_over(self._next_path(ca_name), self.private_keys.seal(key))

    def _next_path(self, ca_name: str) -> Path:
        return self.path(f"{ca_name}{SEPARATOR}next")

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
        key = self.private_keys.seal(responder.key)
        write_over(self.path(ca_name), key + responder.certificate.public_bytes(Encoding.PEM))
        self._next_path(ca_name).unlink(missing_ok=True)


def _elliptic(path: Path, key: CertificateIssuerPrivateKeyTypes) -> ec.EllipticCurvePrivateKey:
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ConfigurationError(f"{path} holds a key that is not of an OCSP responder.")
    return key
