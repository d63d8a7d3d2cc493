"""Just enough of DER (X.690) for what is there a million times: the signed part of a certificate, entries of a list."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

SEQUENCE: Final = 0x30
_LONG: Final = 0x80


def first_element(der: bytes) -> bytes:
    """Return the first element inside the outer one, as it stands: of a certificate its TBSCertificate.

    Raises ValueError where the lengths do not fit.
    """
    begin, end = _content(der, 0)
    _, inner_end = _content(der, begin)
    if end != len(der) or inner_end > end:
        raise ValueError("the lengths do not fit")
    return der[begin:inner_end]


def elements(der: bytes) -> list[bytes]:
    """Return the elements inside the outer one, as they stand, of DER that is known to be good."""
    begin, end = _content(der, 0)
    found = []
    while begin < end:
        _, inner_end = _content(der, begin)
        found.append(der[begin:inner_end])
        begin = inner_end
    return found


def head(tag: int, length: int) -> bytes:
    """Return what stands before a content of that length: the tag and the length (X.690 section 8.1.3)."""
    if length < _LONG:
        return bytes((tag, length))
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, _LONG | len(octets))) + octets


def sequence(parts: Collection[bytes]) -> bytes:
    """Return the SEQUENCE of elements that are encoded already; they are copied once, however many they are."""
    return b"".join((head(SEQUENCE, sum(map(len, parts))), *parts))


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at ``at`` begins and ends (X.690 section 8.1.3)."""
    first = der[at : at + 6]
    if len(first) < 2:  # noqa: PLR2004 -- tag and length
        raise ValueError("the element is cut off")
    length, begin = first[1], at + 2
    if length >= _LONG:
        begin += length - _LONG
        length = int.from_bytes(der[at + 2 : begin], "big")
    return begin, begin + length
