"""CA certificates and their encrypted keys: the one place that yields a signing key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from app.errors import ConfigurationError
from app.files.protected import make_directory, read_private, write_once

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes


@dataclass(frozen=True)
class AuthorityFiles:
    """``certificates/<CA>.pem`` and ``keys/<CA>.pem`` (encrypted PKCS#8, 0600 in a 0700 directory).

    The passphrase must be random: PKCS#8's PBES2 stretches it with only 2 048 rounds of PBKDF2.
    """

    directory: Path
    passphrase: bytes = field(repr=False)

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
        if not path.exists():
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
        write_once(path, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)

    def save_key(self, name: str, key: CertificateIssuerPrivateKeyTypes) -> None:
        """Write a CA's key, encrypted; one that is there is never replaced."""
        make_directory(self.directory)
        make_directory(self.keys)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(self.passphrase),
        )
        write_once(self.key_path(name), pem)

    def has_key(self, name: str) -> bool:
        """Return whether a CA's key is on disk."""
        return self.key_path(name).exists()

    def key(self, name: str) -> CertificateIssuerPrivateKeyTypes:
        """Return a CA's key, ready to sign.

        Raises :class:`ConfigurationError` when the file is missing or open to others, or the passphrase is not its own.
        """
        path = self.key_path(name)
        if self.keys.exists() and self.keys.stat().st_mode & 0o077:
            raise ConfigurationError(f"{self.keys} can be entered by others; its mode must be 0700.")
        pem = read_private(path)
        try:
            key = serialization.load_pem_private_key(pem, self.passphrase)
        except TypeError as error:
            raise ConfigurationError(f"{path} is not encrypted; keys are only kept encrypted.") from error
        except ValueError as error:
            raise ConfigurationError(f"{path} cannot be opened: wrong passphrase, or no key.") from error
        return cast("CertificateIssuerPrivateKeyTypes", key)


def names_on_disk(directory: Path) -> list[str]:
    """Return the names of all CAs with a certificate under ``directory``; needs no passphrase."""
    return sorted(path.stem for path in (directory / "certificates").glob("*.pem"))


def check_key(name: str, key: CertificateIssuerPrivateKeyTypes, certificate: x509.Certificate) -> None:
    """Let the key sign a random value and the certificate verify it; raise :class:`ConfigurationError` if that fails.

    The value is no certificate, CRL or OCSP response: it is not DER.
    """
    nonce = b"midca self-test " + secrets.token_bytes(32)
    public_key = certificate.public_key()
    try:
        if isinstance(key, rsa.RSAPrivateKey) and isinstance(public_key, rsa.RSAPublicKey):
            signature = key.sign(nonce, padding.PKCS1v15(), hashes.SHA256())
            public_key.verify(signature, nonce, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(public_key, ec.EllipticCurvePublicKey):
            signature = key.sign(nonce, ec.ECDSA(hashes.SHA256()))
            public_key.verify(signature, nonce, ec.ECDSA(hashes.SHA256()))
        else:
            public_key.verify(key.sign(nonce), nonce)  # type: ignore[call-arg, union-attr] # Ed25519, ML-DSA
    except (InvalidSignature, ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"The key of CA {name} does not fit its certificate, or cannot sign.") from error
