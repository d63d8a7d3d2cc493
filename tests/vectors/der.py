"""Write DER by hand (ITU-T X.690), so that a recipe can also write what no library agrees to encode."""

from itertools import chain

INTEGER, BIT_STRING, OCTET_STRING, OID = 0x02, 0x03, 0x04, 0x06
UTF8, PRINTABLE, T61, IA5, GENERAL, UNIVERSAL, BMP = 0x0C, 0x13, 0x14, 0x16, 0x1B, 0x1C, 0x1E
SEQUENCE, SET = 0x30, 0x31
NULL = b"\x05\x00"


def tlv(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag]) + length(len(content)) + content


def length(size: int) -> bytes:
    """The shortest form, as DER demands (X.690 section 10.1)."""
    return bytes([size]) if size < 0x80 else long_length(size)


def long_length(size: int, *, padding: int = 0) -> bytes:
    octets = bytes(padding) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def sequence(*members: bytes) -> bytes:
    return tlv(SEQUENCE, *members)


def set_of(*members: bytes) -> bytes:
    """Members in ascending order of their encodings (X.690 section 11.6)."""
    return tlv(SET, *sorted(members))


def integer(value: int) -> bytes:
    return tlv(INTEGER, value.to_bytes((value + (value < 0)).bit_length() // 8 + 1, "big", signed=True))


def octet_string(content: bytes) -> bytes:
    return tlv(OCTET_STRING, content)


def bit_string(content: bytes, unused: int = 0) -> bytes:
    return tlv(BIT_STRING, bytes([unused]), content)


def explicit(number: int, *contents: bytes) -> bytes:
    """A constructed context-specific tag: EXPLICIT, or IMPLICIT over a SEQUENCE or SET."""
    return tlv(0xA0 | number, *contents)


def implicit(number: int, content: bytes) -> bytes:
    """A primitive context-specific tag."""
    return tlv(0x80 | number, content)


def oid(dotted: str) -> bytes:
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    return tlv(OID, bytes(chain.from_iterable(_base_128(arc) for arc in (40 * first + second, *rest))))


def _base_128(arc: int) -> list[int]:
    septets = [arc & 0x7F]
    while arc := arc >> 7:
        septets.insert(0, 0x80 | arc & 0x7F)
    return septets
