"""CA certificates and their encrypted keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import ConfigurationError
from app.files.presence import entries, is_there
from app.files.private_keys import PrivateKeys
from app.files.protected import check_directory, make_directory, write_once, write_over

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


@dataclass(frozen=True)
class AuthorityFiles:
    """``certificates/<CA>.pem`` and ``keys/<CA>.pem`` (encrypted PKCS#8, 0600 in a 0700 directory)."""

    directory: Path
    private_keys: PrivateKeys

    @property
    def keys(self) -> Path:
        """The directory of the keys."""
        return self.directory / "keys"

    def key_path(self, name: str) -> Path:
        """Return where the key of a CA lies."""
        return self.keys / f"{name}.pem"

    def certificate_path(self, name: str) -> Path:
        """Return where the certificate of a CA lies."""
        return self.directory / "certificates" / f"{name}.pem"

    def names(self) -> list[str]:
        """Return the names of all CAs whose certificate is on disk."""
        return names_on_disk(self.directory)

    def certificate(self, name: str) -> x509.Certificate | None:
        """Return a CA's certificate, or None when there is none yet."""
        path = self.certificate_path(name)
        if not is_there(path):
            return None
        try:
            return x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{path} is no certificate in PEM.") from error

    def save_certificate(self, name: str, certificate: x509.Certificate) -> None:
        """Write a CA's certificate for all to read; one that is there is never replaced."""
        path = self.certificate_path(name)
        make_directory(self.directory)
        make_directory(path.parent)
        write_once(path, certificate.public_bytes(Encoding.PEM), mode=0o644)

    def renew_certificate(self, name: str, certificate: x509.Certificate) -> None:
        """Put a CA's renewed certificate in the place of the one before it."""
        write_over(self.certificate_path(name), certificate.public_bytes(Encoding.PEM), mode=0o644)

    def save_key(self, name: str, key: CertificateIssuerPrivateKeyTypes) -> None:
        """Write a CA's key, encrypted; one that is there is never replaced."""
        make_directory(self.directory)
        make_directory(self.keys)
        write_once(self.key_path(name), self.private_keys.seal(key))

    def has_key(self, name: str) -> bool:
        """Return whether a CA's key is on disk."""
        return is_there(self.key_path(name))

    def key(self, name: str, *, validated: bool = False) -> CertificateIssuerPrivateKeyTypes:
        """Return a CA's key, ready to sign; ``validated`` as :meth:`PrivateKeys.open` has it.

        Raises :class:`ConfigurationError` when the file is missing or open to others, or the passphrase is not its own.
        """
        check_directory(self.keys)
        return self.private_keys.open(self.key_path(name), validated=validated).key


def names_on_disk(directory: Path) -> list[str]:
    """Return the names of all CAs with a certificate under ``directory``; needs no passphrase."""
    return sorted(path.stem for path in entries(directory / "certificates", ".pem"))
