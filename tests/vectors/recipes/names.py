"""Subjects. The certificate never bears the request's, yet one that no directory could hold is refused."""

from collections.abc import Iterator

from tests.vectors.der import (
    BIT_STRING,
    BMP,
    GENERAL,
    IA5,
    INTEGER,
    OCTET_STRING,
    PRINTABLE,
    SET,
    T61,
    UNIVERSAL,
    UTF8,
    sequence,
    set_of,
    tlv,
)
from tests.vectors.vector import COMMON_NAME, ORGANISATION, Vector, attribute, issued, name, refused, request

UNIT = attribute("2.5.4.11", b"unit")
SUBJECT = r"subject|common name|\bCN\b"


def vectors() -> Iterator[Vector]:
    yield from _of_somebody_else()
    yield from _characters()
    yield from _special_characters()
    yield from _structure()
    yield from _length()
    yield from _string_types()


def _common_name(value: bytes, tag: int = UTF8) -> bytes:
    return request(subject=name(attribute(COMMON_NAME, value, tag)))


def _of_somebody_else() -> Iterator[Vector]:
    yield issued("subject_of_another_device", "A01", _common_name(b"device2"))
    yield issued("subject_of_the_ca", "A01", _common_name(b"IOTmidCA"))
    yield issued("subject_empty", "A01", request(subject=name()))
    yield issued("subject_with_organisation", "A01", request(subject=name(attribute(ORGANISATION, b"evil"), UNIT)))


def _characters() -> Iterator[Vector]:
    for case, fault, character in (
        ("A04", "nul", "\0"),
        ("A05", "carriage_return", "\r"),
        ("A05", "line_feed", "\n"),
        ("A05", "tab", "\t"),
        ("A05", "escape", "\x1b"),
        ("A05", "delete", "\x7f"),
        ("A05", "c1_control", "\x85"),
        ("A05", "right_to_left_override", "\u202e"),
        ("A05", "bidi_isolate", "\u2066"),
        ("A05", "zero_width_space", "\u200b"),
        ("A05", "byte_order_mark", "\ufeff"),
    ):
        yield refused(f"common_name_with_{fault}", case, _common_name(f"device1{character}x".encode()), SUBJECT)
    in_organisation = name(attribute(COMMON_NAME, b"device1"), attribute(ORGANISATION, b"acme\0evil"))
    yield refused("organisation_with_nul", "A04", request(subject=in_organisation))
    yield refused(
        "common_name_with_nul_in_bmp_string", "A04", _common_name("device1\0".encode("utf-16-be"), BMP), SUBJECT
    )


def _special_characters() -> Iterator[Vector]:
    """Plain text in DER; only who joins or splits RFC 4514 strings reads more into it."""
    for case, oddity, text in (
        ("A06", "every_special_character", 'a,b+c="d"<e>;#f\\g'),
        ("A06", "leading_and_trailing_space", " device1 "),
        ("A06", "leading_number_sign", "#0c0161"),
        ("A07", "injected_rdn", "device1,O=evil+CN=admin"),
    ):
        yield issued(f"common_name_with_{oddity}", case, _common_name(text.encode()))


def _structure() -> Iterator[Vector]:
    first, second = attribute(COMMON_NAME, b"device1"), attribute(COMMON_NAME, b"device2")
    yield issued("two_common_names", "A08", request(subject=name(first, second)))
    yield issued("multi_valued_rdn", "A08", request(subject=sequence(set_of(first, UNIT))))
    yield issued("two_common_names_in_one_rdn", "A08", request(subject=sequence(set_of(first, second))))
    yield refused("rdn_without_attribute", "A08", request(subject=sequence(set_of())))
    yield refused("rdn_is_a_sequence", "A08", request(subject=sequence(sequence(first))))
    yield refused("subject_is_an_integer", "A08", request(subject=tlv(INTEGER, b"\x01")))
    yield refused("subject_is_a_set", "A08", request(subject=tlv(SET, set_of(first))))
    yield refused("attribute_without_value", "A08", request(subject=sequence(set_of(sequence(first[2:7])))))


def _length() -> Iterator[Vector]:
    yield refused("common_name_empty", "A09", _common_name(b""), SUBJECT)
    yield issued("common_name_64_characters", "A09", _common_name(b"d" * 64))
    yield refused("common_name_65_characters", "A09", _common_name(b"d" * 65), SUBJECT)
    # ub-common-name counts characters, not octets (RFC 5280 appendix A.1).
    yield issued("common_name_64_characters_of_two_bytes", "A09", _common_name(("é" * 64).encode()))
    yield refused("common_name_10_000_characters", "A09", _common_name(b"d" * 10_000), SUBJECT)
    yield issued("rdns_32", "A09", request(subject=name(*[UNIT] * 31, attribute(COMMON_NAME, b"device1"))))
    yield refused("rdns_33", "A09", request(subject=name(*[UNIT] * 32, attribute(COMMON_NAME, b"device1"))))


def _string_types() -> Iterator[Vector]:
    for tolerated, tag, encoding in (
        ("printable_string", PRINTABLE, "ascii"),
        ("ia5_string", IA5, "ascii"),
        ("t61_string", T61, "ascii"),
        ("bmp_string", BMP, "utf-16-be"),
        ("universal_string", UNIVERSAL, "utf-32-be"),
    ):
        yield issued(f"common_name_{tolerated}", "A10", _common_name("device1".encode(encoding), tag))
    # X.520 allows the first, and a wrong length of the second parses with no more than a warning.
    unique = attribute("2.5.4.45", b"\x00\x5a", BIT_STRING)
    yield issued(
        "unique_identifier_bit_string", "A10", request(subject=name(attribute(COMMON_NAME, b"device1"), unique))
    )
    # No string at all, but the library reads it as one, and the subject is replaced anyway.
    yield issued("common_name_octet_string", "A10", _common_name(b"device1", OCTET_STRING))
    yield issued("country_of_three_letters", "A10", request(subject=name(attribute("2.5.4.6", b"USA", PRINTABLE))))
    for fault, tag, value in (
        ("bit_string", BIT_STRING, b"\x00device1"),
        ("general_string", GENERAL, b"device1"),
        ("printable_string_with_at_sign", PRINTABLE, b"device@1"),
        ("t61_string_8_bit", T61, b"d\xe9vice1"),
        ("integer", INTEGER, b"\x07"),
        ("invalid_utf8", UTF8, b"device\xff\xfe"),
        ("overlong_utf8", UTF8, b"device\xc0\xaf"),
        ("surrogate_in_utf8", UTF8, b"device\xed\xa0\x80"),
        ("bmp_string_odd_length", BMP, b"\0d\0e\0"),
        ("bmp_string_lone_surrogate", BMP, b"\0d\xd8\x00"),
        ("universal_string_odd_length", UNIVERSAL, b"\0\0\0d\0\0"),
        ("universal_string_beyond_unicode", UNIVERSAL, b"\0\x11\0\0"),
        ("ia5_string_8_bit", IA5, b"device\xe9"),
    ):
        yield refused(f"common_name_{fault}", "A10", _common_name(value, tag))
