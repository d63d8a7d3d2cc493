"""Primes for the RSA keys that no library makes: too short, or of a shape with a published attack."""

import math
import secrets

_SMALL_PRIMES = tuple(n for n in range(2, 2000) if all(n % d for d in range(2, math.isqrt(n) + 1)))
# A prime as long as a modulus, to be one: the first of that length that is 11 modulo 12.
PRIME_MODULUS = (1 << 2047) + 2895
# The first 126 primes: the modulus of the faulty generator behind CVE-2017-15361 (ROCA) for 2048-bit keys.
_ROCA_PRIMORIAL = math.prod(_SMALL_PRIMES[:126])


def two_primes(modulus_bits: int) -> tuple[int, int]:
    half = modulus_bits // 2
    return _random_prime(modulus_bits - half), _random_prime(half)


def close_primes() -> tuple[int, int]:
    """Found by Fermat's factorisation at once, as their difference is tiny (CVE-2022-26320)."""
    p = _random_prime(1024)
    return _next_prime(p + 12), p


def roca_primes() -> tuple[int, int]:
    return _roca_prime(), _roca_prime()


def _roca_prime() -> int:
    while True:
        k = (3 << 1022) // _ROCA_PRIMORIAL + secrets.randbits(50)
        candidate = k * _ROCA_PRIMORIAL + pow(65537, secrets.randbits(64), _ROCA_PRIMORIAL)
        if candidate.bit_length() == 1024 and _is_prime(candidate):
            return candidate


def _random_prime(bits: int) -> int:
    """Both top bits are set, so that two of them have a product of exactly their lengths together."""
    return _next_prime(0b11 << (bits - 2) | secrets.randbits(bits - 3))


def _next_prime(number: int) -> int:
    """The next prime that is 11 modulo 12: then 3 is a possible exponent, and half of all residues are squares."""
    candidate = number - number % 12 + 11
    while not _is_prime(candidate):
        candidate += 12
    return candidate


def _is_prime(number: int) -> bool:
    """Miller-Rabin with random bases."""
    if any(number % prime == 0 for prime in _SMALL_PRIMES):
        return number in _SMALL_PRIMES
    return all(_passes(number, 2 + secrets.randbelow(number - 3)) for _ in range(20))


def _passes(number: int, base: int) -> bool:
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    power = pow(base, odd, number)
    return power == 1 or any(pow(base, odd << shift, number) == number - 1 for shift in range(twos))
