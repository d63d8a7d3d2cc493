"""The request around the request: base64, PEM (RFC 7468) and DER (X.690)."""

import base64
from collections.abc import Iterator

from tests.vectors.der import NULL, UTF8, bit_string, explicit, integer, length, long_length, oid, sequence, set_of, tlv
from tests.vectors.keys import FOLDER, rsa_key
from tests.vectors.vector import (
    COMMON_NAME,
    DEVICE,
    Vector,
    attribute,
    basic_constraints,
    extension_request,
    issued,
    name,
    pem,
    refused,
    request,
    request_info,
    signed,
)

REQUEST = request()
PEM = pem(REQUEST)
BASE64 = base64.b64encode(REQUEST)
VALIDITY = sequence(tlv(0x17, b"200101000000Z"), tlv(0x17, b"400101000000Z"))


def vectors() -> Iterator[Vector]:
    yield from _base64()
    yield from _pem()
    yield from _something_else()
    yield from _der()
    yield from _versions()


def _base64() -> Iterator[Vector]:
    lines = [BASE64[at : at + 64] for at in range(0, len(BASE64), 64)]
    for tolerated, text in (
        ("one_line", BASE64),
        ("newlines", b"\n".join(lines)),
        ("crlf", b"\r\n".join([*lines, b""])),
        ("spaces", b" ".join(lines)),
        ("tabs", b"\t".join(lines)),
        ("surrounding_whitespace", b" \r\n\t" + BASE64 + b"\n "),
    ):
        yield issued(f"base64_{tolerated}", "A34", text, send="text")

    padded = _padded_request()
    url_safe = base64.urlsafe_b64encode(REQUEST)
    assert url_safe != BASE64
    for fault, text in (
        ("empty", b""),
        ("only_whitespace", b" \r\n"),
        ("with_exclamation_mark", BASE64[:100] + b"!" + BASE64[100:]),
        ("with_nul", BASE64[:100] + b"\0" + BASE64[100:]),
        ("with_trailing_nul", BASE64 + b"\0"),
        ("with_percent_encoding", BASE64.replace(b"+", b"%2B").replace(b"/", b"%2F")),
        ("with_no_break_space", BASE64[:100] + "\u00a0".encode() + BASE64[100:]),
        ("with_full_width_letter", "\uff2d".encode() + BASE64[1:]),
        ("url_safe", url_safe),
        ("without_padding", padded.rstrip(b"=")),
        ("excess_padding", padded + b"=="),
        ("padding_in_the_middle", BASE64[:100] + b"==" + BASE64[100:]),
        ("cut_in_a_quantum", BASE64[:101]),
        ("of_base64", base64.b64encode(BASE64)),
        ("of_text", base64.b64encode(b"not a request")),
    ):
        yield refused(f"base64_{fault}", "A34", text, send="text")


def _padded_request() -> bytes:
    """One length in three needs no padding."""
    subjects = (name(attribute(COMMON_NAME, b"device1"[:size])) for size in (6, 7))
    requests = (base64.b64encode(request(subject=subject)) for subject in subjects)
    return next(text for text in requests if text.endswith(b"="))


def _pem() -> Iterator[Vector]:
    new = pem(REQUEST, "NEW CERTIFICATE REQUEST")
    for tolerated, text in (
        ("certificate_request", PEM),
        ("new_certificate_request", new),
        ("crlf", pem(REQUEST, newline="\r\n")),
        ("without_last_newline", PEM.rstrip()),
    ):
        yield issued(f"pem_{tolerated}", "A35", text, send="pem")
    private_key = (FOLDER / "rsa_2048.pem").read_bytes()
    for fault, text in (
        ("two_requests", PEM + pem(request(key=rsa_key("2048_other")))),
        ("same_request_twice", PEM + PEM),
        ("junk_before", b"Certificate Request:\n    Data:\n        Version: 1 (0x0)\n" + PEM),
        ("junk_after", PEM + b"junk\n"),
        ("then_private_key", PEM + private_key),
        ("private_key_then_request", private_key + PEM),
        ("without_end", PEM[: PEM.index(b"-----END")]),
        ("without_begin", PEM[PEM.index(b"\n") + 1 :]),
        ("end_of_other_label", PEM.replace(b"END CERTIFICATE REQUEST", b"END CERTIFICATE")),
        ("empty", b"-----BEGIN CERTIFICATE REQUEST-----\n-----END CERTIFICATE REQUEST-----\n"),
        ("with_exclamation_mark", PEM.replace(b"\nMII", b"\n!MII", 1)),
    ):
        yield refused(f"pem_{fault}", "A35", text, send="pem")


def _something_else() -> Iterator[Vector]:
    certificate = _certificate()
    private_key = (FOLDER / "rsa_2048.pem").read_bytes()
    yield refused("pem_certificate", "A35", pem(certificate, "CERTIFICATE"), send="pem")
    yield refused("pem_certificate_labelled_as_request", "A35", pem(certificate), send="pem")
    yield refused("pem_private_key", "A35", private_key, send="pem")
    yield refused("pem_request_labelled_as_certificate", "A35", pem(REQUEST, "CERTIFICATE"), send="pem")
    yield refused("certificate", "A35", certificate)
    yield refused("private_key", "A35", base64.b64decode(b"".join(private_key.splitlines()[1:-1])))
    yield refused("request_info_without_signature", "A35", request_info())


def _certificate() -> bytes:
    """Self-signed, and of version 3."""
    key = rsa_key("2048")
    algorithm, _ = key.sign(b"")
    to_be_signed = sequence(
        explicit(0, integer(2)), integer(1), algorithm, DEVICE, VALIDITY, DEVICE, key.public_key_info
    )
    return signed(to_be_signed)


def _der() -> Iterator[Vector]:
    info = request_info()
    algorithm, signature = rsa_key("2048").sign(info)
    members = (info, algorithm, bit_string(signature))
    content = b"".join(members)
    inner = b"".join((integer(0), DEVICE, rsa_key("2048").public_key_info, explicit(0)))
    password = sequence(oid("1.2.840.113549.1.9.7"), set_of(tlv(UTF8, b"challenge")))
    attributes = sorted((password, extension_request(basic_constraints())))
    for fault, der in (
        ("trailing_byte", REQUEST + b"\0"),
        ("trailing_second_request", REQUEST + REQUEST),
        ("fourth_member", sequence(*members, NULL)),
        ("truncated_last_byte", REQUEST[:-1]),
        ("truncated_half", REQUEST[: len(REQUEST) // 2]),
        ("truncated_in_length", REQUEST[:2]),
        ("length_beyond_the_end", b"\x30\x84\x7f\xff\xff\xff" + content),
        ("length_of_126_octets", b"\x30\xfe" + b"\xff" * 126),
        ("indefinite_length", b"\x30\x80" + content + b"\0\0"),
        ("indefinite_length_inside", signed(b"\x30\x80" + inner + b"\0\0")),
        ("non_minimal_length", b"\x30" + long_length(len(content), padding=1) + content),
        ("non_minimal_length_inside", signed(b"\x30" + long_length(len(inner), padding=2) + inner)),
        ("is_a_set", b"\x31" + REQUEST[1:]),
        ("is_an_empty_sequence", sequence()),
        ("is_null", NULL),
        ("is_a_utf8_string", tlv(UTF8, b"request")),
        ("high_tag_number", b"\x3f\xff\xff\xff\xff\x7f\x00"),
        ("without_attributes_field", signed(sequence(integer(0), DEVICE, rsa_key("2048").public_key_info))),
        ("attributes_out_of_order", signed(sequence(inner[:-2], explicit(0, *reversed(attributes))))),
        ("attributes_as_plain_set", signed(sequence(inner[:-2], b"\x31\x00"))),
        ("fifth_member_of_info", signed(sequence(inner, NULL))),
        ("oid_with_padded_arc", signed(info.replace(oid("2.5.4.3"), b"\x06\x03\x55\x80\x03", 1))),
        ("nesting_5_000_deep", nested(5_000)),
    ):
        yield refused(f"der_{fault}", "A36", der)


def nested(depth: int) -> bytes:
    """SEQUENCEs of known lengths, built from the innermost outwards in linear time."""
    heads, size = [], 0
    for _ in range(depth):
        head = b"\x30" + length(size)
        heads.append(head)
        size += len(head)
    return b"".join(reversed(heads))


def _versions() -> Iterator[Vector]:
    """RFC 2986 section 4.1 knows v1(0) only."""
    for fault, version in (
        ("1", integer(1)),
        ("2", integer(2)),
        ("negative", integer(-1)),
        ("as_two_octets", b"\x02\x02\x00\x00"),
        ("of_nine_octets", integer(2**64)),
        ("missing", b""),
    ):
        yield refused(f"version_{fault}", "A36", request(version=version), None if fault == "missing" else "version")
