"""Keys whose private half can be found from the public one, as far as arithmetic alone tells.

The checks are those of badkeys that need no list from the network. Its data (primes that several keys share) is read at
the first look; :func:`warm_up` takes that look before there are requests.
"""

from __future__ import annotations

from typing import Final

import badkeys
from cryptography.hazmat.primitives.asymmetric import rsa

_WEAKNESSES: Final = {
    "roca": "was made by a library whose primes can be guessed (ROCA, CVE-2017-15361)",
    "fermat": "has primes so close to each other that Fermat's method finds them (CVE-2022-26320)",
    "smallfactors": "has a small prime factor",
    "sharedprimes": "shares a prime with keys that are publicly known",
    "rsapoly": "has a pattern of zeros that lets it be factored",
    "smalld": "has a private exponent so small that Wiener's method finds it",
    "rsainvalid": "has an exponent that no RSA key can have",
}


def weakness(key: object) -> str | None:
    """Return what is weak about an RSA key, as the end of a sentence; None for a good key and for other kinds."""
    if not isinstance(key, rsa.RSAPublicKey):
        return None
    numbers = key.public_numbers()
    found = badkeys.checkrsa(numbers.n, e=numbers.e, checks=tuple(_WEAKNESSES))
    return next((text for check, text in _WEAKNESSES.items() if check in found), None)


def warm_up() -> None:
    """Read the tables, so that workers share them and no request waits: 35 ms, 3 MB."""
    for bits in (2048, 4096):
        badkeys.checkrsa((1 << (bits - 1)) + 1, checks=("sharedprimes", "smallfactors"))
