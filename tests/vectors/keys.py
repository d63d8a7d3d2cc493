"""The test keys. RSA and DSA keys are kept in keys/ and made only if their file is missing; the others are derived."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from tests.vectors import primes
from tests.vectors.der import integer, oid, sequence
from tests.vectors.rsa_keys import RsaKey, UnsignableError

FOLDER = Path(__file__).parent / "keys"
ECDSA_WITH_SHA256 = sequence(oid("1.2.840.10045.4.3.2"))
DSA_WITH_SHA256 = sequence(oid("2.16.840.1.101.3.4.3.2"))


@dataclass(frozen=True)
class Key:
    """A SubjectPublicKeyInfo, and what turns a CertificationRequestInfo into (AlgorithmIdentifier, signature)."""

    public_key_info: bytes
    sign: Callable[[bytes], tuple[bytes, bytes]]


@cache
def rsa_key(name: str) -> RsaKey:
    key = _stored(f"rsa_{name}", _MAKE_RSA[name])
    assert isinstance(key, rsa.RSAPrivateKey)
    numbers = key.private_numbers()
    return RsaKey((numbers.p, numbers.q))


@cache
def dsa_key() -> Key:
    key = _stored("dsa_2048", lambda: dsa.generate_private_key(2048))
    assert isinstance(key, dsa.DSAPrivateKey)
    return Key(_public_key_info(key.public_key()), lambda message: (DSA_WITH_SHA256, _sign_dsa(key, message)))


@cache
def ec_key(curve: ec.EllipticCurve) -> Key:
    key = ec.derive_private_key(0x7E57, curve)
    scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    return Key(_public_key_info(key.public_key()), lambda message: (ECDSA_WITH_SHA256, key.sign(message, scheme)))


@cache
def ed25519_key() -> Key:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))
    return Key(_public_key_info(key.public_key()), lambda message: (sequence(oid("1.3.101.112")), key.sign(message)))


@cache
def known_ec_key(curve: ec.EllipticCurve, number: int) -> Key:
    """The generator's multiple by a small number, or by its negative: the private half is that number."""
    key = ec.derive_private_key(number % ORDERS[curve.name], curve)
    scheme = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    return Key(_public_key_info(key.public_key()), lambda message: (ECDSA_WITH_SHA256, key.sign(message, scheme)))


ORDERS = {curve.name: curve.group_order for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())}


@cache
def small_order_key(point: bytes) -> Key:
    """An Ed25519 point A of order 1 to 8 (RFC 8032 section 5.1): R + kA = 0 and S = 0 for some R of small order."""
    key = ed25519.Ed25519PublicKey.from_public_bytes(point)
    return Key(_public_key_info(key), lambda message: (sequence(oid("1.3.101.112")), _forged(key, message)))


def _forged(key: ed25519.Ed25519PublicKey, message: bytes) -> bytes:
    for point in SMALL_ORDER_POINTS:
        try:
            key.verify(point + bytes(32), message)
        except InvalidSignature:
            continue
        return point + bytes(32)
    raise UnsignableError


_P = 2**255 - 19
_Y8 = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
SMALL_ORDER_POINTS = tuple(
    (y | sign << 255).to_bytes(32, "little") for y in (0, 1, _P - 1, _Y8, _P - _Y8, _P, _P + 1) for sign in (0, 1)
)
"""All encodings of the eight points, with those that are not canonical: y not below p, or x = 0 with a sign."""


@cache
def ed448_key() -> Key:
    key = ed448.Ed448PrivateKey.from_private_bytes(bytes(57))
    return Key(_public_key_info(key.public_key()), lambda message: (sequence(oid("1.3.101.113")), key.sign(message)))


@cache
def ml_dsa_key() -> Key:
    """FIPS 204 signatures are randomised: the request that bears one is never equal to its predecessor."""
    key = mldsa.MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    algorithm = sequence(oid("2.16.840.1.101.3.4.3.17"))
    return Key(_public_key_info(key.public_key()), lambda message: (algorithm, key.sign(message)))


def _public_key_info(
    key: dsa.DSAPublicKey
    | ec.EllipticCurvePublicKey
    | ed25519.Ed25519PublicKey
    | ed448.Ed448PublicKey
    | mldsa.MLDSA44PublicKey,
) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _sign_dsa(key: dsa.DSAPrivateKey, message: bytes) -> bytes:
    """FIPS 186-4 section 4.6 with a per-message number derived from key and message, to be reproducible."""
    numbers = key.private_numbers()
    group = numbers.public_numbers.parameter_numbers
    digest = hashlib.sha256(message).digest()
    k = int.from_bytes(hashlib.sha512(str(numbers.x).encode() + digest).digest(), "big") % group.q
    r = pow(group.g, k, group.p) % group.q
    s = pow(k, -1, group.q) * (int.from_bytes(digest, "big") + numbers.x * r) % group.q
    return sequence(integer(r), integer(s))


def _stored(name: str, make: Callable[[], rsa.RSAPrivateKey | dsa.DSAPrivateKey]) -> PrivateKeyTypes:
    path = FOLDER / f"{name}.pem"
    if not path.exists():
        path.write_bytes(_pem(make()))
    return serialization.load_pem_private_key(path.read_bytes(), None, unsafe_skip_rsa_key_validation=True)


def _pem(key: rsa.RSAPrivateKey | dsa.DSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _from_primes(p: int, q: int) -> rsa.RSAPrivateKey:
    d = rsa.rsa_recover_private_exponent(65537, p, q)
    dmp1, dmq1, iqmp = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, rsa.RSAPublicNumbers(65537, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _generated(bits: int) -> Callable[[], rsa.RSAPrivateKey]:
    return lambda: rsa.generate_private_key(65537, bits)


_MAKE_RSA: dict[str, Callable[[], rsa.RSAPrivateKey]] = {
    "512": lambda: _from_primes(*primes.two_primes(512)),
    "1023": lambda: _from_primes(*primes.two_primes(1023)),
    "1024": _generated(1024),
    "2047": _generated(2047),
    "2048": lambda: _from_primes(*primes.two_primes(2048)),
    "2048_other": _generated(2048),
    "3072": _generated(3072),
    "4096": _generated(4096),
    "8192": _generated(8192),
    "16384": _generated(16384),
    "2048_close_primes": lambda: _from_primes(*primes.close_primes()),
    "2048_roca": lambda: _from_primes(*primes.roca_primes()),
}
