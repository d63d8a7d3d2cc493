"""Just enough of DER (X.690) to find the signed part of a certificate a million times in a few seconds."""

from __future__ import annotations

from typing import Final

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


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of the element at ``at`` begins and ends (X.690 section 8.1.3)."""
    head = der[at : at + 6]
    if len(head) < 2:  # noqa: PLR2004 -- tag and length
        raise ValueError("the element is cut off")
    length, begin = head[1], at + 2
    if length >= _LONG:
        begin += length - _LONG
        length = int.from_bytes(der[at + 2 : begin], "big")
    return begin, begin + length
