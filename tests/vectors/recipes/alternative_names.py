"""subjectAltName (RFC 5280 section 4.2.1.6): host names and addresses are kept, everything else is refused."""

from collections.abc import Iterator

from tests.vectors.der import BMP, UTF8, explicit, implicit, octet_string, oid, sequence, tlv
from tests.vectors.vector import (
    DEVICE,
    SUBJECT_ALTERNATIVE_NAME,
    TRUE,
    Vector,
    alternative_names,
    dns,
    extension,
    ip,
    issued,
    refused,
    request,
)

ALTERNATIVE_NAME = "alternative name|altname|SAN"
DNS_NAME = f"DNS|host ?name|{ALTERNATIVE_NAME}"
IP_ADDRESS = f"IP|address|{ALTERNATIVE_NAME}"
USER_PRINCIPAL_NAME = "1.3.6.1.4.1.311.20.2.3"

EMAIL = implicit(1, b"admin@example.com")
URI = implicit(6, b"https://evil.example/")
OTHER_TYPES = {
    "email": EMAIL,
    "uri": URI,
    "other_name": explicit(0, oid("1.2.3.4"), explicit(0, tlv(UTF8, b"admin"))),
    "user_principal_name": explicit(0, oid(USER_PRINCIPAL_NAME), explicit(0, tlv(UTF8, b"admin@evil.example"))),
    "x400_address": explicit(3, sequence()),
    "directory_name": explicit(4, DEVICE),
    "edi_party_name": explicit(5, explicit(1, tlv(UTF8, b"party"))),
    "registered_id": implicit(8, oid("1.2.3.4")[2:]),
}


def vectors() -> Iterator[Vector]:
    yield from _other_types()
    yield from _host_names()
    yield from _addresses()
    yield from _structure()
    yield from _number()


def _with(*names: bytes) -> bytes:
    return request(alternative_names(*names))


def _other_types() -> Iterator[Vector]:
    hosts = [dns(f"host{number}.example") for number in range(20)]
    for where, position in (("first", 0), ("middle", 10), ("last", 20)):
        for kind, name in (("email", EMAIL), ("uri", URI)):
            names = _with(*hosts[:position], name, *hosts[position:])
            yield refused(f"san_{kind}_{where}_of_21", "A02", names, ALTERNATIVE_NAME)
    for kind, name in OTHER_TYPES.items():
        yield refused(f"san_{kind}", "A02" if name in (EMAIL, URI) else "A03", _with(name), ALTERNATIVE_NAME)


def _host_names() -> Iterator[Vector]:
    longest = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * 61])
    for tolerated, host in (
        ("one_label", "mosca"),
        ("with_digits_first", "3com.example"),
        ("punycode", "xn--bcher-kva.example"),
        ("label_63_characters", "a" * 63 + ".example"),
        ("253_characters", longest),
    ):
        yield issued(f"san_dns_name_{tolerated}", "A02", _with(dns(host)), san=[f"DNS:{host}"])
    for case, fault, octets in (
        ("A03", "empty", b""),
        ("A04", "with_nul", b"device1.example\0.evil.example"),
        ("A05", "with_line_feed", b"device1.example\nevil"),
        ("A05", "with_leading_space", b" device1.example"),
        ("A02", "wildcard", b"*.example.com"),
        ("A02", "with_underscore", b"device_1.example"),
        ("A02", "with_trailing_dot", b"device1.example."),
        ("A02", "with_leading_dot", b".example.com"),
        ("A02", "with_empty_label", b"device1..example"),
        ("A02", "label_with_leading_hyphen", b"-device1.example"),
        ("A02", "label_with_trailing_hyphen", b"device1-.example"),
        ("A02", "label_64_characters", b"a" * 64 + b".example"),
        ("A02", "254_characters", longest.encode() + b"d"),
        ("A02", "is_a_url", b"https://device1.example/"),
        ("A02", "with_port", b"device1.example:8883"),
        ("A06", "with_comma", b"device1.example,DNS:evil.example"),
        ("A10", "utf8", "dévice1.example".encode()),
        ("A10", "invalid_utf8", b"device\xff.example"),
    ):
        yield refused(f"san_dns_name_{fault}", case, _with(dns(octets)), DNS_NAME)
    yield refused("san_empty_dns_name_last_of_two", "A03", _with(dns("device1.example"), dns(b"")), DNS_NAME)


def _addresses() -> Iterator[Vector]:
    for tolerated, octets, text in (
        ("v4", bytes([192, 0, 2, 7]), "192.0.2.7"),
        ("v6", bytes.fromhex("20010db8000000000000000000000007"), "2001:db8::7"),
        ("v6_loopback", bytes(15) + b"\x01", "::1"),
    ):
        yield issued(f"san_ip_{tolerated}", "A02", _with(ip(octets)), san=[f"IP:{text}"])
    # 8 and 32 octets are an address and a mask: name constraints only (RFC 5280 section 4.2.1.10).
    for size in (0, 3, 5, 8, 15, 17, 32):
        yield refused(f"san_ip_{size}_bytes", "A21", _with(ip(bytes(range(1, size + 1)))), IP_ADDRESS)
    yield refused("san_ip_as_text", "A21", _with(ip(b"192.0.2.7")), IP_ADDRESS)


def _structure() -> Iterator[Vector]:
    host = dns("device1.example")
    kept = ["DNS:device1.example", "IP:192.0.2.7"]
    yield issued("san_dns_and_ip", "A02", _with(host, ip(bytes([192, 0, 2, 7]))), san=kept)
    yield issued("san_critical", "A02", request(alternative_names(host, critical=TRUE)), san=kept[:1])
    yield refused("san_empty", "A03", _with(), ALTERNATIVE_NAME)
    for case, fault, value in (
        ("A03", "no_value", b""),
        ("A03", "unknown_name_type", sequence(implicit(9, b"x"))),
        ("A03", "is_an_octet_string", octet_string(b"device1.example")),
        ("A03", "dns_name_as_bmp_string", sequence(tlv(BMP, "device1".encode("utf-16-be")))),
        ("A21", "trailing_byte", sequence(host) + b"\0"),
        ("A21", "truncated", sequence(host)[:-1]),
    ):
        yield refused(f"san_{fault}", case, request(extension(SUBJECT_ALTERNATIVE_NAME, value)))


def _number() -> Iterator[Vector]:
    hosts = [f"host{number}.example" for number in range(101)]
    kept = [f"DNS:{host}" for host in hosts[:100]]
    yield issued("san_100_names", "A22", _with(*map(dns, hosts[:100])), san=kept)
    yield refused("san_101_names", "A22", _with(*map(dns, hosts)), ALTERNATIVE_NAME)
