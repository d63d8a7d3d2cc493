"""A CA key that lets the to-be-signed bytes be recorded before it signs them.

``cryptography``'s builders sign with any subclass of their abstract private keys and hand its ``sign`` the exact DER of
the TBSCertificate (or TBSCertList, or OCSP ResponseData). So the one moment between "what will be signed is fixed" and
"it is signed" has a place in code: here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

_Hash = TypeVar("_Hash")
_SHA256: Final = hashes.SHA256()
_HASH_OF_CURVE: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "secp256r1": _SHA256,
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}
_ABSTRACT_KEYS = (
    rsa.RSAPrivateKey,
    ec.EllipticCurvePrivateKey,
    ed25519.Ed25519PrivateKey,
    mldsa.MLDSA44PrivateKey,
    mldsa.MLDSA65PrivateKey,
    mldsa.MLDSA87PrivateKey,
)


class _RecordsBeforeSigning:
    """Delegates to a real key; ``sign`` first hands the bytes to ``record``, and does not sign when that raises."""

    def __init__(self, key: CertificateIssuerPrivateKeyTypes, record: Callable[[bytes], None]) -> None:
        self._key = key
        self._record = record

    def sign(self, data: bytes, *args: Any, **kwargs: Any) -> bytes:
        self._record(data)
        signature: bytes = self._key.sign(data, *args, **kwargs)
        return signature

    def public_key(self) -> Any:
        return self._key.public_key()

    @property
    def key_size(self) -> int:
        return self._key.key_size  # type: ignore[union-attr]

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._key.curve  # type: ignore[union-attr]

    def __copy__(self) -> _RecordsBeforeSigning:
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> _RecordsBeforeSigning:
        return self


def _concrete(abstract: type) -> type:
    """Make a subclass of an abstract key that can be instantiated; what a builder never calls stays undefined."""
    concrete = type(f"WriteAhead{abstract.__name__}", (_RecordsBeforeSigning, abstract), {})
    concrete.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    return concrete


_CONCRETE = {abstract: _concrete(abstract) for abstract in _ABSTRACT_KEYS}


def hash_for(key: CertificateIssuerPrivateKeyTypes, algorithm: _Hash) -> _Hash | None:
    """Return what a builder's ``sign`` wants beside ``key``: None where the hash is part of the key's algorithm."""
    return algorithm if isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) else None


def inherited_hash(key: CertificateIssuerPrivateKeyTypes) -> hashes.SHA256 | hashes.SHA384 | hashes.SHA512:
    """Return the hash that is as strong as the key: by its curve (RFC 5480 section 4), else SHA-256."""
    return _HASH_OF_CURVE.get(key.curve.name, _SHA256) if isinstance(key, ec.EllipticCurvePrivateKey) else _SHA256


def write_ahead_key(key: CertificateIssuerPrivateKeyTypes, record: Callable[[bytes], None]) -> Any:
    """Return a key for a builder's ``sign`` that calls ``record(to_be_signed_der)`` before ``key`` signs."""
    for abstract, concrete in _CONCRETE.items():
        if isinstance(key, abstract):
            return concrete(key, record)
    raise TypeError(f"{type(key).__name__} is no key a CA can sign with")


def raw_signature(key: CertificateIssuerPrivateKeyTypes, tbs: bytes, algorithm: hashes.HashAlgorithm | None) -> bytes:
    """Return the signature of bytes that were recorded, as a builder's ``sign`` would make it."""
    if isinstance(key, rsa.RSAPrivateKey) and algorithm is not None:
        return key.sign(tbs, padding.PKCS1v15(), algorithm)
    if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm is not None:
        return key.sign(tbs, ec.ECDSA(algorithm))
    return key.sign(tbs)  # type: ignore[call-arg] # Ed25519, ML-DSA: the hash is part of the algorithm
