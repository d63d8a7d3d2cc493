"""Proof of possession (RFC 2986 section 4.2): the request must be signed by its own key, with SHA-256, -384 or -512."""

from collections.abc import Iterator
from functools import partial
from itertools import count

from cryptography.hazmat.primitives.asymmetric import ec

from tests.vectors.der import BIT_STRING, NULL, OCTET_STRING, bit_string, integer, oid, sequence, tlv
from tests.vectors.keys import ECDSA_WITH_SHA256, ec_key, rsa_key
from tests.vectors.rsa_keys import RSA_ENCRYPTION, WITH_RSA_ENCRYPTION, pss_algorithm
from tests.vectors.vector import (
    COMMON_NAME,
    Vector,
    attribute,
    issued,
    name,
    refused,
    request_info,
    signed,
)

SIGNATURE = "signature|signed|proof of possession"
KEY = rsa_key("2048")
INFO = request_info()
ALGORITHM, VALID = KEY.sign(INFO)


def vectors() -> Iterator[Vector]:
    yield from _broken()
    yield from _digests()
    yield from _algorithms()
    yield from _encodings()


def _broken() -> Iterator[Vector]:
    other_name = request_info(subject=name(attribute(COMMON_NAME, b"device2")))
    for fault, request in (
        ("bit_flipped", sequence(INFO, ALGORITHM, bit_string(VALID[:-1] + bytes([VALID[-1] ^ 1])))),
        ("by_another_key", signed(INFO, rsa_key("2048_other").sign)),
        ("of_another_request", sequence(other_name, ALGORITHM, bit_string(VALID))),
        ("all_zero", sequence(INFO, ALGORITHM, bit_string(bytes(256)))),
        ("truncated", sequence(INFO, ALGORITHM, bit_string(VALID[:-1]))),
        ("with_leading_zero", sequence(INFO, ALGORITHM, bit_string(b"\0" + VALID))),
        # The same residue, and a second encoding of one signature, were the upper bound not checked (RFC 8017 5.2.2).
        (
            "plus_modulus",
            sequence(INFO, ALGORITHM, bit_string((int.from_bytes(VALID, "big") + KEY.n).to_bytes(257, "big"))),
        ),
    ):
        yield refused(f"signature_{fault}", "A24", request, SIGNATURE)
    yield refused("signature_empty", "A25", sequence(INFO, ALGORITHM, bit_string(b"")), SIGNATURE)


def _digests() -> Iterator[Vector]:
    for digest in ("sha384", "sha512"):
        yield issued(f"signature_{digest}", "A25", signed(INFO, partial(KEY.sign_pkcs1_v15, digest=digest)))
    for digest in ("sha256", "sha384", "sha512"):
        yield issued(f"signature_pss_{digest}", "A25", signed(INFO, partial(KEY.sign_pss, digest=digest)))
    for digest, message in (("md5", "MD5"), ("sha1", "SHA-?1"), ("sha224", SIGNATURE), ("sha3_256", SIGNATURE)):
        request = signed(INFO, partial(KEY.sign_pkcs1_v15, digest=digest))
        yield refused(f"signature_{digest}", "A25", request, message)
    yield refused("signature_pss_sha1", "A25", signed(INFO, partial(KEY.sign_pss, digest="sha1")), "SHA-?1")


def _algorithms() -> Iterator[Vector]:
    """An AlgorithmIdentifier that does not say what the signature is."""
    for fault, algorithm in (
        ("unknown_algorithm", sequence(oid("1.2.3.4"), NULL)),
        ("algorithm_is_a_key_algorithm", sequence(oid(RSA_ENCRYPTION), NULL)),
        ("algorithm_ecdsa_by_rsa_key", ECDSA_WITH_SHA256),
        ("algorithm_ed25519_by_rsa_key", sequence(oid("1.3.101.112"))),
        ("algorithm_sha512_but_made_with_sha256", sequence(oid(WITH_RSA_ENCRYPTION["sha512"]), NULL)),
        ("algorithm_pss_but_made_with_pkcs1", pss_algorithm("sha256", 32)),
        ("algorithm_with_parameters", sequence(oid(WITH_RSA_ENCRYPTION["sha256"]), integer(1))),
    ):
        yield refused(f"signature_{fault}", "A25", sequence(INFO, algorithm, bit_string(VALID)), SIGNATURE)
    # Absent is as good as NULL (RFC 4055 section 5).
    without_null = sequence(oid(WITH_RSA_ENCRYPTION["sha256"]))
    yield issued("signature_algorithm_without_parameters", "A25", sequence(INFO, without_null, bit_string(VALID)))
    ec_info = request_info(key_info=ec_key(ec.SECP256R1()).public_key_info)
    yield refused("signature_algorithm_rsa_by_ec_key", "A25", signed(ec_info))


def _encodings() -> Iterator[Vector]:
    for fault, signature in (
        ("bit_string_without_octet", tlv(BIT_STRING)),
        ("is_an_octet_string", tlv(OCTET_STRING, VALID)),
    ):
        yield refused(f"signature_{fault}", "A25", sequence(INFO, ALGORITHM, signature))
    yield refused("signature_missing", "A25", sequence(INFO, ALGORITHM))
    yield refused("signature_with_unused_bits", "A25", _with_an_unused_bit(), SIGNATURE)


def _with_an_unused_bit() -> bytes:
    """The signature is even, so that the bit which is said to be unused is rightly zero."""
    subjects = (name(attribute(COMMON_NAME, b"device%d" % number)) for number in count())
    infos = (request_info(subject=subject) for subject in subjects)
    info, signature = next((info, made) for info in infos if (made := KEY.sign(info)[1])[-1] % 2 == 0)
    return sequence(info, ALGORITHM, bit_string(signature, 1))
