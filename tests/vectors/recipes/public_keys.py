"""Keys. The profile takes RSA of 2048 to 8192 bits only; each request here proves possession as far as its key can."""

import hashlib
from collections.abc import Iterator
from itertools import count

from cryptography.hazmat.primitives.asymmetric import ec

from tests.vectors.der import NULL, bit_string, integer, octet_string, oid, sequence
from tests.vectors.keys import (
    ECDSA_WITH_SHA256,
    SMALL_ORDER_POINTS,
    Key,
    dsa_key,
    ec_key,
    ed448_key,
    ed25519_key,
    known_ec_key,
    ml_dsa_key,
    rsa_key,
    small_order_key,
)
from tests.vectors.primes import PRIME_MODULUS
from tests.vectors.rsa_keys import RSA_ENCRYPTION, RSASSA_PSS, RsaKey, UnsignableError, rsa_public_key_info
from tests.vectors.vector import (
    COMMON_NAME,
    SigningKey,
    Vector,
    attribute,
    issued,
    name,
    refused,
    request,
    request_info,
    signed,
)

KEY_LENGTH = r"key (length|size)|\bbits?\b"
EXPONENT = "exponent|key"
KEY = "key"
EC_PUBLIC_KEY = "1.2.840.10045.2.1"
PRIME_FIELD = "1.2.840.10045.1.1"
P256_ARC = "1.2.840.10045.3.1.7"

# FIPS 186-4 appendix D.1.2.3, the curve P-256.
P256_P = 2**256 - 2**224 + 2**192 + 2**96 - 1
P256_B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
P256_N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def vectors() -> Iterator[Vector]:
    yield from _rsa_lengths()
    yield from _rsa_exponents()
    yield from _rsa_moduli()
    yield from _rsa_structure()
    yield from _weak_rsa()
    yield from _known_private_keys()
    yield from _named_curves()
    yield from _curve_points()
    yield from _other_algorithms()


def _rsa_lengths() -> Iterator[Vector]:
    for bits in ("512", "1023", "1024", "2047", "16384"):
        yield refused(f"rsa_{bits}", "A26", request(key=rsa_key(bits)), KEY_LENGTH)
    for bits in ("2048", "3072", "4096", "8192"):
        yield issued(f"rsa_{bits}", "A26", request(key=rsa_key(bits)))


def _rsa_exponents() -> Iterator[Vector]:
    primes, n = rsa_key("2048").primes, rsa_key("2048").n
    for fault, e in (("1", 1), ("2", 2), ("3", 3), ("65538", 65538)):
        yield refused(f"rsa_exponent_{fault}", "A27", _request_that_can_be_signed(RsaKey(primes, e)), EXPONENT)
    beyond = 65537 + 2 * (primes[0] - 1) * (primes[1] - 1)
    yield refused("rsa_exponent_above_modulus", "A27", request(key=RsaKey(primes, beyond)), EXPONENT)
    yield refused("rsa_exponent_0", "A27", _unsigned(rsa_public_key_info(n, 0)), EXPONENT)
    yield refused("rsa_exponent_negative", "A27", _unsigned(rsa_public_key_info(n, -65537)), EXPONENT)
    yield issued("rsa_exponent_above_65537", "A27", request(key=RsaKey(primes, 2**32 + 15)))


def _request_that_can_be_signed(key: SigningKey) -> bytes:
    for number in count():
        try:
            return request(subject=name(attribute(COMMON_NAME, b"device%d" % number)), key=key)
        except UnsignableError:
            continue
    raise AssertionError


def _rsa_moduli() -> Iterator[Vector]:
    n = rsa_key("2048").n
    yield refused("rsa_modulus_even", "A27", request(key=RsaKey((2, *rsa_key("2047").primes))), "key|modulus|signature")
    yield refused("rsa_modulus_0", "A27", _unsigned(rsa_public_key_info(0, 65537)), KEY)
    # The encoder forgot the zero octet in front: the same bits, read as two's complement (X.690 section 8.3.3).
    forgotten = rsa_public_key_info(n - (1 << 2048), 65537)
    yield refused("rsa_modulus_negative", "A27", signed(request_info(key_info=forgotten)), KEY)


def _rsa_structure() -> Iterator[Vector]:
    """RFC 3279 section 2.3.1."""
    key = rsa_key("2048")
    numbers = sequence(integer(key.n), integer(key.e))
    rsa = sequence(oid(RSA_ENCRYPTION), NULL)
    for fault, info in (
        ("trailing_byte", sequence(rsa, bit_string(numbers + b"\0"))),
        ("unused_bits", sequence(rsa, bit_string(numbers[:-1] + b"\0", 1))),
        ("empty", sequence(rsa, bit_string(b""))),
        ("without_exponent", sequence(rsa, bit_string(sequence(integer(key.n))))),
        ("unknown_algorithm", sequence(sequence(oid("1.2.3.4"), NULL), bit_string(numbers))),
    ):
        yield refused(f"rsa_public_key_{fault}", "A27", signed(request_info(key_info=info)), KEY)
    # Certified as rsaEncryption, it would not be the key its holder has (RFC 4055 section 1.2).
    pss = request_info(key_info=sequence(sequence(oid(RSASSA_PSS)), bit_string(numbers)))
    yield refused(
        "rsa_pss_public_key", "A27", signed(pss, lambda message: key.sign_pss(message, "sha256")), "RSASSA-PSS"
    )


def _weak_rsa() -> Iterator[Vector]:
    """Weak in their primes."""
    yield refused("rsa_close_primes", "A28", request(key=rsa_key("2048_close_primes")), "Fermat")
    yield refused("rsa_roca", "A28", request(key=rsa_key("2048_roca")), "ROCA")
    yield refused("rsa_small_factor", "A28", request(key=RsaKey((3, *rsa_key("2047").primes))), "small prime factor")


def _known_private_keys() -> Iterator[Vector]:
    """Nobody needs to have made these to sign with them. CFREE takes RSA alone; tests/pki asks profiles that do not."""
    yield issued("rsa_prime_modulus", "A28", request(key=RsaKey((PRIME_MODULUS,))))  # not looked for, see weak_key.py
    for point in SMALL_ORDER_POINTS:
        vector = f"ed25519_small_order_{point[:2].hex()}_{point[-1:].hex()}"
        yield refused(vector, "A28", _request_that_can_be_signed(small_order_key(point)), KEY)
    for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()):
        for number in (1, 2, 16, -1):
            vector = f"ec_{curve.name}_generator_times_{number}".replace("-", "minus_")
            yield refused(vector, "A28", request(key=known_ec_key(curve, number)), KEY)


def _named_curves() -> Iterator[Vector]:
    for curve in (
        ec.SECP256R1(),
        ec.SECP384R1(),
        ec.SECP521R1(),
        ec.SECP192R1(),
        ec.SECP224R1(),
        ec.SECP256K1(),
        ec.BrainpoolP256R1(),
    ):
        message = f"key length: {curve.key_size}|{KEY}|curve"
        yield refused(f"ec_{curve.name.lower()}", "A32", request(key=ec_key(curve)), message)
    binary_curve = _ec_info(oid("1.3.132.0.27"), b"\x04" + bytes(60))
    yield refused("ec_sect233r1", "A32", _unsigned(binary_curve, ECDSA_WITH_SHA256), f"{KEY}|curve")


def _curve_points() -> Iterator[Vector]:
    key = ec_key(ec.SECP256R1())
    point = key.public_key_info[-65:]
    x, y = point[1:33], point[33:]
    generator = ec.derive_private_key(1, ec.SECP256R1()).public_key().public_numbers()
    base_point = _point(generator.x, generator.y)
    compressed = bytes([2 + y[-1] % 2]) + x
    for fault, parameters, public_point in (
        ("point_off_curve", oid(P256_ARC), b"\x04" + x + y[:-1] + bytes([y[-1] ^ 1])),
        ("point_at_infinity", oid(P256_ARC), b"\0"),
        ("point_too_short", oid(P256_ARC), point[:-1]),
        ("point_empty", oid(P256_ARC), b""),
        ("point_compressed", oid(P256_ARC), compressed),
        ("explicit_parameters", _explicit_p256(base_point), point),
        # The key itself as generator: anyone knows the private key, 1 (CVE-2020-0601, "CurveBall").
        ("foreign_generator", _explicit_p256(point), point),
        ("without_parameters", b"", point),
        ("null_parameters", NULL, point),
    ):
        info = request_info(key_info=_ec_info(parameters, public_point))
        yield refused(f"ec_{fault}", "A32", signed(info, key.sign))


def _point(x: int, y: int) -> bytes:
    return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")


def _ec_info(parameters: bytes, point: bytes) -> bytes:
    return sequence(sequence(oid(EC_PUBLIC_KEY), parameters), bit_string(point))


def _explicit_p256(generator: bytes) -> bytes:
    """ECParameters in full, which RFC 5480 section 2.1.1 forbids."""
    field = sequence(oid(PRIME_FIELD), integer(P256_P))
    curve = sequence(octet_string((P256_P - 3).to_bytes(32, "big")), octet_string(P256_B.to_bytes(32, "big")))
    return sequence(integer(1), field, curve, octet_string(generator), integer(P256_N), integer(1))


def _other_algorithms() -> Iterator[Vector]:
    keys: dict[str, SigningKey] = {
        "dsa_2048": dsa_key(),
        "ed25519": ed25519_key(),
        "ed448": ed448_key(),
        "ml_dsa_44": ml_dsa_key(),
    }
    for algorithm, key in keys.items():
        yield refused(algorithm, "A32", request(key=key), f"{KEY}|algorithm")
    x25519 = sequence(sequence(oid("1.3.101.110")), bit_string(hashlib.sha256(b"x25519").digest()))
    yield refused("x25519", "A32", _unsigned(x25519), f"{KEY}|algorithm|signature")


def _unsigned(key_info: bytes, algorithm: bytes | None = None) -> bytes:
    """No key exists that could have signed this one: its signature is made up."""
    real_algorithm, signature = rsa_key("2048").sign(key_info)
    return request(key=Key(key_info, lambda _: (algorithm or real_algorithm, signature)))
