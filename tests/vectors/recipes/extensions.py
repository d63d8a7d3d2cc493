"""Requested extensions other than subjectAltName: well formed ones are left out, malformed or ambiguous refused."""

from collections.abc import Iterator

from tests.vectors.der import (
    IA5,
    NULL,
    UTF8,
    bit_string,
    explicit,
    implicit,
    integer,
    octet_string,
    oid,
    sequence,
    set_of,
    tlv,
)
from tests.vectors.vector import (
    BASIC_CONSTRAINTS,
    DEVICE,
    EXTENSION_REQUEST,
    FALSE,
    KEY_USAGE,
    TRUE,
    Vector,
    alternative_names,
    attribute,
    basic_constraints,
    dns,
    extension,
    extension_request,
    issued,
    key_usage,
    refused,
    request,
)

EXTENDED_KEY_USAGE = "2.5.29.37"
MICROSOFT_EXTENSION_REQUEST = "1.3.6.1.4.1.311.2.1.14"
UNKNOWN = "1.3.6.1.4.1.99999.1"
HOST = dns("device1.example")
SAN = alternative_names(HOST)
CA_TRUE = basic_constraints(TRUE)
EVIL_URL = implicit(6, b"http://evil.example/x")


def vectors() -> Iterator[Vector]:
    yield from _claims_to_be_a_ca()
    yield from _usages()
    yield from _left_out()
    yield from _ambiguous()
    yield from _unknown()
    yield from _not_der()
    yield from _other_attributes()


def _claims_to_be_a_ca() -> Iterator[Vector]:
    pathlen = integer(0)
    for claim, basic in (
        ("ca_true", CA_TRUE),
        ("ca_true_critical", basic_constraints(TRUE, critical=TRUE)),
        ("ca_true_pathlen", basic_constraints(TRUE, pathlen)),
        ("ca_true_pathlen_critical", basic_constraints(TRUE, pathlen, critical=TRUE)),
        ("ca_false", basic_constraints()),
        ("ca_false_critical", basic_constraints(critical=TRUE)),
    ):
        yield issued(f"basic_constraints_{claim}", "A14", request(basic))
    authority = (basic_constraints(TRUE, critical=TRUE), key_usage(b"\x06", 1), SAN)
    yield issued("basic_constraints_ca_true_beside_san", "A14", request(*authority), san=["DNS:device1.example"])


def _usages() -> Iterator[Vector]:
    for usage, bits, unused in (
        ("key_cert_sign", b"\x04", 2),
        ("crl_sign", b"\x02", 1),
        ("key_cert_sign_and_crl_sign", b"\x06", 1),
        ("every_bit", b"\xff\x80", 7),
    ):
        yield issued(f"key_usage_{usage}", "A15", request(key_usage(bits, unused)))
    for purpose, arc in (
        ("any", "2.5.29.37.0"),
        ("server_auth", "1.3.6.1.5.5.7.3.1"),
        ("code_signing", "1.3.6.1.5.5.7.3.3"),
        ("ocsp_signing", "1.3.6.1.5.5.7.3.9"),
    ):
        usages = extension(EXTENDED_KEY_USAGE, sequence(oid(arc)))
        yield issued(f"extended_key_usage_{purpose}", "A15", request(usages), absent=[EXTENDED_KEY_USAGE])


def _left_out() -> Iterator[Vector]:
    """None of these may come from the request. Two of them the CA writes itself, so that their absence says nothing."""
    written_by_the_ca = ("2.5.29.14", "2.5.29.35")
    for name, kind, value, critical in (
        ("subject_key_identifier", "2.5.29.14", octet_string(b"evil"), b""),
        ("authority_key_identifier", "2.5.29.35", sequence(implicit(0, b"evil")), b""),
        ("name_constraints", "2.5.29.30", sequence(explicit(0, sequence(HOST))), TRUE),
        ("certificate_policies", "2.5.29.32", sequence(sequence(oid("2.5.29.32.0"))), b""),
        ("policy_mappings", "2.5.29.33", sequence(sequence(oid("1.2.3"), oid("1.2.4"))), b""),
        ("policy_constraints", "2.5.29.36", sequence(implicit(0, b"\0")), TRUE),
        ("inhibit_any_policy", "2.5.29.54", integer(0), TRUE),
        ("issuer_alternative_name", "2.5.29.18", sequence(HOST), b""),
        ("subject_directory_attributes", "2.5.29.9", sequence(sequence(oid("1.2.3"), set_of(NULL))), b""),
        ("crl_distribution_points", "2.5.29.31", sequence(sequence(explicit(0, explicit(0, EVIL_URL)))), b""),
        ("freshest_crl", "2.5.29.46", sequence(sequence(explicit(0, explicit(0, EVIL_URL)))), b""),
        ("authority_information_access", "1.3.6.1.5.5.7.1.1", _access("1.3.6.1.5.5.7.48.1"), b""),
        ("subject_information_access", "1.3.6.1.5.5.7.1.11", _access("1.3.6.1.5.5.7.48.5"), b""),
        ("tls_feature", "1.3.6.1.5.5.7.1.24", sequence(integer(5)), b""),
        ("ocsp_no_check", "1.3.6.1.5.5.7.48.1.5", NULL, b""),
        ("ct_poison", "1.3.6.1.4.1.11129.2.4.3", NULL, TRUE),
        ("ct_signed_timestamps", "1.3.6.1.4.1.11129.2.4.2", octet_string(b"\0\0"), b""),
        ("netscape_cert_type", "2.16.840.1.113730.1.1", bit_string(b"\x07", 0), b""),
        ("microsoft_template", "1.3.6.1.4.1.311.21.7", sequence(oid("1.3.6.1.4.1.311.21.8.1")), b""),
        ("microsoft_application_policies", "1.3.6.1.4.1.311.21.10", sequence(sequence(oid("2.5.29.37.0"))), b""),
        ("microsoft_sid", "1.3.6.1.4.1.311.25.2", sequence(explicit(0, oid("1.3.6.1.4.1.311.25.2.1"))), b""),
    ):
        absent = [] if kind in written_by_the_ca else [kind]
        yield issued(name, "A16", request(extension(kind, value, critical)), absent=absent)


def _access(method: str) -> bytes:
    return sequence(sequence(oid(method), EVIL_URL))


def _ambiguous() -> Iterator[Vector]:
    """RFC 5280 section 4.2 allows one instance of an extension, RFC 2985 section 5.4.2 one value of the attribute."""
    duplicate = "duplicate|twice|more than once|repeated"
    other_san = alternative_names(dns("evil.example"))
    yield refused("duplicate_san", "A17", request(SAN, other_san), duplicate)
    yield refused("duplicate_basic_constraints", "A17", request(basic_constraints(), CA_TRUE), duplicate)
    yield refused("duplicate_unknown_extension", "A17", request(*[extension(UNKNOWN, NULL)] * 2), duplicate)

    # In the order of a SET OF the harmless one, being shorter, comes first: a parser that stops there sees no harm.
    harmless, harmful = extension_request(SAN), extension_request(alternative_names(HOST, dns("evil.example")))
    microsoft = extension_request(SAN, kind=MICROSOFT_EXTENSION_REQUEST)
    two_values = sequence(oid(EXTENSION_REQUEST), set_of(sequence(SAN), sequence(SAN, CA_TRUE)))
    for fault, attributes in (
        ("two_extension_request_attributes", (harmless, harmful)),
        ("two_extension_request_attributes_second_ca_true", (harmless, extension_request(SAN, CA_TRUE))),
        ("two_equal_extension_request_attributes", (harmless, harmless)),
        ("extension_request_with_two_values", (two_values,)),
        ("extension_request_without_value", (sequence(oid(EXTENSION_REQUEST), set_of()),)),
        ("extension_request_is_not_a_sequence", (sequence(oid(EXTENSION_REQUEST), set_of(octet_string(b"x"))),)),
        ("microsoft_extension_request", (microsoft,)),
        ("microsoft_extension_request_beside_standard_one", (harmful, microsoft)),
    ):
        yield refused(fault, "A18", request(attributes=attributes))


def _unknown() -> Iterator[Vector]:
    unknown = extension(UNKNOWN, NULL)
    yield issued("unknown_extension", "A19", request(unknown), absent=[UNKNOWN])
    yield issued(
        "unknown_extension_beside_san", "A19", request(unknown, SAN), san=["DNS:device1.example"], absent=[UNKNOWN]
    )
    # RFC 7633: features are numbers; the library has names for two and no error for the rest.
    feature = extension("1.3.6.1.5.5.7.1.24", sequence(integer(99)))
    yield refused("tls_feature_unknown", "A19", request(feature), "extensions")
    yield refused("unknown_extension_critical", "A19", request(extension(UNKNOWN, NULL, TRUE)), f"critical|{UNKNOWN}")


def _not_der() -> Iterator[Vector]:
    """A value equal to its DEFAULT is left out of DER (X.690 section 11.5)."""
    for fault, odd in (
        ("critical_false_written_out", extension(UNKNOWN, NULL, FALSE)),
        ("critical_false_written_out_in_san", alternative_names(HOST, critical=FALSE)),
        ("critical_true_as_0x01", basic_constraints(critical=b"\x01\x01\x01")),
        ("basic_constraints_ca_false_written_out", basic_constraints(FALSE)),
    ):
        yield refused(fault, "A20", request(odd), r"\bDER\b|encod|critical|default|malformed|extension")
    yield refused(
        "basic_constraints_trailing_byte", "A21", request(extension(BASIC_CONSTRAINTS, sequence(TRUE) + b"\0"))
    )
    yield refused("basic_constraints_negative_pathlen", "A21", request(basic_constraints(TRUE, integer(-1))))
    yield refused("key_usage_trailing_byte", "A21", request(extension(KEY_USAGE, bit_string(b"\x80", 7) + b"\0")))
    yield refused("key_usage_empty_bit_string", "A21", request(key_usage(b"", 0)))
    yield refused("key_usage_bit_string_without_octet", "A21", request(extension(KEY_USAGE, b"\x03\x00")))
    yield refused("key_usage_no_value", "A21", request(extension(KEY_USAGE, b"")))
    yield refused("extended_key_usage_empty", "A21", request(extension(EXTENDED_KEY_USAGE, sequence())))
    yield refused("extension_value_is_a_utf8_string", "A21", request(sequence(oid(KEY_USAGE), tlv(UTF8, b"x"))))
    yield refused("extension_with_fourth_member", "A21", request(SAN[:1] + bytes([SAN[1] + 2]) + SAN[2:] + NULL))


def _other_attributes() -> Iterator[Vector]:
    """Attributes of RFC 2985 section 5.4 that say nothing about the certificate."""
    password = attribute_of("1.2.840.113549.1.9.7", tlv(UTF8, b"challenge"))
    unstructured_name = attribute_of("1.2.840.113549.1.9.2", tlv(IA5, b"a device"))
    yield issued("challenge_password", "A16", request(attributes=[password]))
    yield issued(
        "challenge_password_before_san", "A16", request(SAN, attributes=[password]), san=["DNS:device1.example"]
    )
    yield issued("unstructured_name", "A16", request(attributes=[unstructured_name]))
    yield issued("unknown_attribute", "A16", request(attributes=[attribute_of(UNKNOWN, DEVICE)]))
    yield refused("attribute_is_not_a_sequence", "A18", request(attributes=[attribute("2.5.4.3", b"x")[4:]]))


def attribute_of(kind: str, value: bytes) -> bytes:
    return sequence(oid(kind), set_of(value))
