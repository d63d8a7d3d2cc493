"""Keys whose private half can be found from the public one, as far as arithmetic alone tells.

The checks of RSA keys are those of badkeys that need no list from the network. Its data (primes that several keys
share) is read at the first look; :func:`warm_up` takes that look before there are requests. That a modulus is itself a
prime is not looked for: it would take as long as the rest of an enrolment, and harms only who makes such a key.

Elliptic curves have keys that everybody knows: points of small order, for which one signature fits every message, and
small multiples of the generator.
"""

from __future__ import annotations

import sys
from functools import cache
from importlib import import_module
from typing import Any, Final

import gmpy2
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa


def _load_badkeys() -> Any:
    """Return badkeys without pyOpenSSL, which it takes where it is installed: 1.6 MB in every worker.

    It is for kinds of keys that nobody asks about here.
    """
    loaded = sys.modules.get("OpenSSL")
    sys.modules["OpenSSL"] = None  # type: ignore[assignment] # an import of it fails, and badkeys goes on
    try:
        return import_module("badkeys")
    finally:
        del sys.modules["OpenSSL"]
        if loaded is not None:
            sys.modules["OpenSSL"] = loaded


badkeys: Final = _load_badkeys()
_WEAKNESSES: Final = {
    "roca": "was made by a library whose primes can be guessed (ROCA, CVE-2017-15361)",
    "fermat": "has primes so close to each other that Fermat's method finds them (CVE-2022-26320)",
    "smallfactors": "has a small prime factor",
    "sharedprimes": "shares a prime with keys that are publicly known",
    "rsapoly": "has a pattern of zeros that lets it be factored",
    "smalld": "has a private exponent so small that Wiener's method finds it",
    "rsainvalid": "has an exponent that no RSA key can have",
}
_KNOWN_MULTIPLES: Final = 64
_P: Final = 2**255 - 19
# The y of the points of order 8 (RFC 7748 section 7 asks to watch for them; RFC 8032 section 5.1 for the curve).
_Y8: Final = int.from_bytes(bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"), "little")
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y8, _P - _Y8})


def weakness(key: object) -> str | None:
    """Return what is weak about a key, as the end of a sentence; None for a good key and for other kinds."""
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_weakness(key.public_numbers())
    if isinstance(key, ec.EllipticCurvePublicKey) and key.public_numbers().x in _known_points(key.curve.name):
        return f"is one of the {_KNOWN_MULTIPLES} smallest multiples of the curve's generator"
    if isinstance(key, ed25519.Ed25519PublicKey) and _has_small_order(key):
        return "is a point of small order, for which anybody can sign"
    return None


def warm_up() -> None:
    """Read the tables, so that workers share them and no request waits: 60 ms, 3 MB."""
    for bits in (2048, 4096):
        badkeys.checkrsa((1 << (bits - 1)) + 1, checks=("sharedprimes", "smallfactors"))
    for curve in _CURVES:
        _known_points(curve)


def _rsa_weakness(numbers: rsa.RSAPublicNumbers) -> str | None:
    modulus = gmpy2.mpz(numbers.n)  # once: each of the hundred steps of Fermat's method would convert it again
    found = badkeys.checkrsa(modulus, e=numbers.e, checks=tuple(_WEAKNESSES))
    return next((text for check, text in _WEAKNESSES.items() if check in found), None)


_CURVES: Final[dict[str, ec.EllipticCurve]] = {
    curve.name: curve for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
}


@cache
def _known_points(curve: str) -> frozenset[int]:
    """Return the x of the first multiples of the generator, which are also those of their negatives."""
    if curve not in _CURVES:
        return frozenset()
    keys = (ec.derive_private_key(number, _CURVES[curve]) for number in range(1, _KNOWN_MULTIPLES + 1))
    return frozenset(key.public_key().public_numbers().x for key in keys)


def _has_small_order(key: ed25519.Ed25519PublicKey) -> bool:
    """Look at y modulo p: the encodings of a point that are not canonical (RFC 8032 section 5.1.3) are read too."""
    y = int.from_bytes(key.public_bytes_raw(), "little") & ((1 << 255) - 1)
    return y % _P in _SMALL_ORDER
