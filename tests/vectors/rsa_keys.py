"""RSA by hand (RFC 8017), for keys and signatures that a library refuses to make, and so that each rebuild is equal."""

import hashlib
import math
from dataclasses import dataclass

from tests.vectors.der import NULL, bit_string, explicit, integer, octet_string, oid, sequence

RSA_ENCRYPTION = "1.2.840.113549.1.1.1"
MGF1, RSASSA_PSS = "1.2.840.113549.1.1.8", "1.2.840.113549.1.1.10"
DIGESTS = {
    "md5": "1.2.840.113549.2.5",
    "sha1": "1.3.14.3.2.26",
    "sha224": "2.16.840.1.101.3.4.2.4",
    "sha256": "2.16.840.1.101.3.4.2.1",
    "sha384": "2.16.840.1.101.3.4.2.2",
    "sha512": "2.16.840.1.101.3.4.2.3",
    "sha3_256": "2.16.840.1.101.3.4.2.8",
}
WITH_RSA_ENCRYPTION = {
    "md5": "1.2.840.113549.1.1.4",
    "sha1": "1.2.840.113549.1.1.5",
    "sha224": "1.2.840.113549.1.1.14",
    "sha256": "1.2.840.113549.1.1.11",
    "sha384": "1.2.840.113549.1.1.12",
    "sha512": "1.2.840.113549.1.1.13",
    "sha3_256": "2.16.840.1.101.3.4.3.14",
}


class UnsignableError(ValueError):
    """Not every message can be signed by this key: with an even exponent one in 2**len(primes). Try another."""


@dataclass(frozen=True)
class RsaKey:
    """Any number of different primes, any exponent: nothing here asks whether the key is a good one."""

    primes: tuple[int, ...]
    e: int = 65537

    @property
    def n(self) -> int:
        return math.prod(self.primes)

    @property
    def size(self) -> int:
        return (self.n.bit_length() + 7) // 8

    @property
    def public_key_info(self) -> bytes:
        return rsa_public_key_info(self.n, self.e)

    def sign(self, message: bytes) -> tuple[bytes, bytes]:
        return self.sign_pkcs1_v15(message, "sha256")

    def sign_pkcs1_v15(self, message: bytes, digest: str) -> tuple[bytes, bytes]:
        """RFC 8017 section 9.2."""
        hashed = octet_string(hashlib.new(digest, message).digest())
        digest_info = sequence(sequence(oid(DIGESTS[digest]), NULL), hashed)
        encoded = b"\x00\x01".ljust(self.size - len(digest_info) - 1, b"\xff") + b"\x00" + digest_info
        return sequence(oid(WITH_RSA_ENCRYPTION[digest]), NULL), self._private(encoded)

    def sign_pss(self, message: bytes, digest: str) -> tuple[bytes, bytes]:
        """RFC 8017 section 9.1.1, with a salt that is always the same."""
        hashed = hashlib.new(digest, message).digest()
        salt = bytes(range(len(hashed)))
        seed = hashlib.new(digest, bytes(8) + hashed + salt).digest()
        block = b"\x01".rjust(self.size - len(seed) - len(salt) - 1, b"\x00") + salt
        masked = int.from_bytes(block, "big") ^ int.from_bytes(_mgf1(seed, len(block), digest), "big")
        masked &= (1 << (8 * len(block) - (8 * self.size - self.n.bit_length() + 1))) - 1
        encoded = masked.to_bytes(len(block), "big") + seed + b"\xbc"
        return pss_algorithm(digest, len(salt)), self._private(encoded)

    def _private(self, encoded: bytes) -> bytes:
        message = int.from_bytes(encoded, "big")
        if self.e % 2 == 0 and not all(pow(message, (p - 1) // 2, p) == 1 for p in self.primes):
            raise UnsignableError
        return self._root(message).to_bytes(self.size, "big")

    def _root(self, message: int) -> int:
        """The e-th root of the message modulo n, by the Chinese remainder theorem."""
        root = 0
        for p in self.primes:
            order = (p - 1) // 2 if self.e % 2 == 0 else p - 1
            others = self.n // p
            root += pow(message % p, pow(self.e, -1, order) or order, p) * others * pow(others, -1, p)
        return root % self.n


def rsa_public_key_info(n: int, e: int) -> bytes:
    return sequence(sequence(oid(RSA_ENCRYPTION), NULL), bit_string(sequence(integer(n), integer(e))))


def pss_algorithm(digest: str, salt_length: int) -> bytes:
    """RFC 4055 section 3.1; SHA-1 and a salt of 20 octets are the defaults, which DER leaves out."""
    if digest == "sha1":
        return sequence(oid(RSASSA_PSS), sequence())
    hashed = sequence(oid(DIGESTS[digest]), NULL)
    mask = sequence(oid(MGF1), hashed)
    parameters = sequence(explicit(0, hashed), explicit(1, mask), explicit(2, integer(salt_length)))
    return sequence(oid(RSASSA_PSS), parameters)


def _mgf1(seed: bytes, size: int, digest: str) -> bytes:
    """RFC 8017 appendix B.2.1."""
    mask = b""
    while len(mask) < size:
        counter = len(mask) // len(hashlib.new(digest).digest())
        mask += hashlib.new(digest, seed + counter.to_bytes(4, "big")).digest()
    return mask[:size]
