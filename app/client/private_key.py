"""Private keys of devices and brokers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from .errors import FileTrouble

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey

KEY_TYPES: Final = ("rsa", "p256", "ed25519")
_EXPONENT: Final = 65537


@dataclass(frozen=True)
class KeyKind:
    """The kind of key that is wanted: one of ``KEY_TYPES``, and the ``bits`` of an RSA key."""

    key_type: str = "rsa"
    bits: int = 2048

    def make(self) -> PrivateKey:
        """Return a new key."""
        if self.key_type == "rsa":
            return rsa.generate_private_key(_EXPONENT, self.bits)
        if self.key_type == "p256":
            return ec.generate_private_key(ec.SECP256R1())
        return ed25519.Ed25519PrivateKey.generate()

    def is_of(self, key: PrivateKey) -> bool:
        """Return whether a key is of this kind."""
        if isinstance(key, rsa.RSAPrivateKey):
            return self.key_type == "rsa" and key.key_size == self.bits
        if isinstance(key, ec.EllipticCurvePrivateKey):
            return self.key_type == "p256" and isinstance(key.curve, ec.SECP256R1)
        return self.key_type == "ed25519"


def key_to_pem(key: PrivateKey) -> bytes:
    """Return the key as PKCS#8 in PEM, not encrypted: it belongs into a file of mode 0600."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def key_from_pem(pem: bytes, source: object) -> PrivateKey:
    """Return the key in ``pem``; ``source`` is its file, for the sentence of :class:`FileTrouble`."""
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:  # TypeError: it is encrypted
        raise FileTrouble(
            f"{source} holds no private key that can be read.", "Move it away, or give another."
        ) from error
    if not isinstance(key, PrivateKey):
        raise FileTrouble(f"{source} holds a key that is neither RSA nor elliptic.", "Move it away, or give another.")
    return key


def public_bytes(key: object) -> bytes:
    """Return the SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7) of a public key, by which keys are compared."""
    der: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]
    return der
