"""By what a public key is known again: by holders, in the record of compromised keys, and against those of CAs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_EXPONENT: Final = 65537


def public_key_sha256_of(key: CertificatePublicKeyTypes) -> str:
    """Return the SHA-256 of the DER of the key's SubjectPublicKeyInfo, in hex; of an RSA key with the exponent 65537.

    Whoever knows the private half for one exponent can factor the modulus (NIST SP 800-56B appendix C), so all keys of
    one modulus are one key, whatever their exponent.
    """
    if isinstance(key, rsa.RSAPublicKey) and (numbers := key.public_numbers()).e != _EXPONENT:
        key = rsa.RSAPublicNumbers(_EXPONENT, numbers.n).public_key()
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()
