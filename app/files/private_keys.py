"""The one place that yields a private key to sign with: nothing else in the program loads or writes one.

A key in hardware would be yielded here too: ``load`` gets a path and returns whatever signs. The builders take any
subclass of the library's abstract keys (see ``app/pki/write_ahead_key.py``), so nobody else would notice.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from app.errors import ConfigurationError
from app.files.protected import read_private, write_over

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificatePublicKeyTypes,
    )

_LEAST_EXPONENT: Final = 3
_END: Final = b"-----END ENCRYPTED PRIVATE KEY-----\n"


class Opened(NamedTuple):
    """A file: its key, what stands behind it, and which passphrase opened it; 0 is the one that seals now."""

    key: CertificateIssuerPrivateKeyTypes
    rest: bytes
    passphrase: int


@dataclass(frozen=True)
class PrivateKeys:
    """Encrypted PKCS#8 in PEM, in files of mode 0600. What stands behind the key in its file is left as it is.

    ``passphrases`` are asked for at every use: the first seals, each may open (see ``app/operations/key_rotation.py``).
    They must be random: PKCS#8's PBES2 stretches them with only 2 048 rounds of PBKDF2.
    """

    passphrases: Callable[[], tuple[bytes, ...]] = field(repr=False)

    def load(self, path: Path) -> CertificateIssuerPrivateKeyTypes:
        """Return the key of a file, ready to sign.

        Raises :class:`ConfigurationError` when the file is missing or open to others, or no passphrase opens it.
        """
        return self.open(path).key

    def seal(self, key: CertificateIssuerPrivateKeyTypes) -> bytes:
        """Return what is written to a file to keep a key."""
        encryption = serialization.BestAvailableEncryption(self.passphrases()[0])
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    def is_sealed_anew(self, path: Path) -> bool:
        """Return whether the file is sealed with the passphrase that seals now."""
        return self.open(path).passphrase == 0

    def reseal(self, path: Path) -> bool:
        """Seal a file with the passphrase that seals now; False when it is. Whoever reads sees all old or all new."""
        opened = self.open(path)
        if opened.passphrase == 0:
            return False
        try:
            write_over(path, self.seal(opened.key) + opened.rest)
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from error
        return True

    def open(self, path: Path, *, validated: bool = False) -> Opened:
        """Return all that is in a file; raises as :meth:`load` does.

        ``validated`` has OpenSSL look whether the primes of an RSA key are such, which takes a quarter of a second for
        RSA-4096. A key that has a certificate is held against that (:func:`check_key`), which tells as much.
        """
        for _ in range(2):  # a rotation may end between the two reads: then the file is a new one too
            pem = read_private(path)
            for number, passphrase in enumerate(self.passphrases()):
                try:
                    key = serialization.load_pem_private_key(
                        pem, passphrase, unsafe_skip_rsa_key_validation=not validated
                    )
                    _check_numbers(key)
                except TypeError as error:
                    raise ConfigurationError(f"{path} is not encrypted; keys are only kept encrypted.") from error
                except (ValueError, UnsupportedAlgorithm):
                    continue
                return Opened(cast("CertificateIssuerPrivateKeyTypes", key), pem.partition(_END)[2], number)
        raise ConfigurationError(f"{path} cannot be opened: wrong passphrase, or no key.")


def _check_numbers(key: object) -> None:
    """Raise :class:`ValueError` unless the numbers of an RSA key belong together (RFC 8017 section 3.2).

    With :func:`check_key` this is all there is to know of a key whose certificate is here. The modulus is then the
    certificate's, and no other numbers than the primes it was made of give it.
    """
    if not isinstance(key, rsa.RSAPrivateKey):
        return
    numbers = key.private_numbers()
    p, q, d, e = numbers.p, numbers.q, numbers.d, numbers.public_numbers.e
    if not (
        p > 1
        and q > 1
        and e >= _LEAST_EXPONENT
        and p * q == numbers.public_numbers.n
        and d * e % (p - 1) == d * e % (q - 1) == 1
        and (numbers.dmp1, numbers.dmq1) == (d % (p - 1), d % (q - 1))
        and numbers.iqmp * q % p == 1
    ):
        raise ValueError("numbers that do not belong together")


def check_key(whose: str, key: CertificateIssuerPrivateKeyTypes, public_key: CertificatePublicKeyTypes) -> None:
    """Let the key sign a random value and its certificate's verify it; raise :class:`ConfigurationError` if not.

    The value is no certificate, CRL, OCSP response or checkpoint: it is neither DER nor a note.
    """
    nonce = b"midca self-test " + secrets.token_bytes(32)
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
        raise ConfigurationError(f"The key of {whose} does not fit its certificate, or cannot sign.") from error
