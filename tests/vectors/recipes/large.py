"""Requests above 50 KB: cheap to build, and not worth their room in the repository."""

import hashlib
from collections.abc import Iterator

from tests.vectors.keys import Key, rsa_key
from tests.vectors.recipes.encodings import nested
from tests.vectors.rsa_keys import rsa_public_key_info
from tests.vectors.vector import COMMON_NAME, Vector, alternative_names, attribute, dns, name, refused, request


def vectors() -> Iterator[Vector]:
    yield _too_large("san_20_000_names", "A22", request(alternative_names(*[dns("a.b.c")] * 20_000)))
    yield _too_large("common_name_1_mib", "A09", request(subject=name(attribute(COMMON_NAME, b"d" * (1 << 20)))))
    yield _too_large("der_nesting_100_000_deep", "A36", nested(100_000))
    one_letter = attribute(COMMON_NAME, b"d")
    yield _too_large("rdns_5_000", "A09", request(subject=name(*[one_letter] * 5_000)))
    yield refused("rsa_262144", "A26", _rsa_262144(), r"key (length|size)|\bbits?\b|signature")


def _too_large(name: str, case: str, content: bytes) -> Vector:
    return Vector(name, case, "too_large", content)


def _rsa_262144() -> bytes:
    """An odd number, not a product of known primes: nobody could wait for the signature."""
    octets = hashlib.shake_256(b"modulus").digest(262144 // 8)
    info = rsa_public_key_info(int.from_bytes(octets, "big") | 1 | 1 << 262143, 65537)
    return request(key=Key(info, rsa_key("2048").sign))
