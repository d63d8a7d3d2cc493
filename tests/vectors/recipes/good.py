"""Requests as devices send them."""

from collections.abc import Iterator

from tests.vectors.vector import (
    COMMON_NAME,
    Vector,
    alternative_names,
    attribute,
    basic_constraints,
    dns,
    ip,
    issued,
    key_usage,
    name,
    request,
)

# digitalSignature, nonRepudiation, keyEncipherment (RFC 5280 section 4.2.1.3)
DEVICE_KEY_USAGE = key_usage(b"\xe0", 5)


def vectors() -> Iterator[Vector]:
    yield issued("plain", "A01", request())
    address = ip(bytes([192, 0, 2, 10]))
    retriever = request(
        DEVICE_KEY_USAGE, basic_constraints(), alternative_names(dns("device1"), dns("device1.example"), address)
    )
    yield issued(
        "certificate_retriever_style", "A14", retriever, san=["DNS:device1", "DNS:device1.example", "IP:192.0.2.10"]
    )
    yield issued("certificate_retriever_style_without_san", "A14", request(DEVICE_KEY_USAGE, basic_constraints()))
    mosca = request(
        DEVICE_KEY_USAGE,
        basic_constraints(),
        alternative_names(*map(dns, ("mosca", "mqtt", "localhost"))),
        subject=name(attribute(COMMON_NAME, b"mosca")),
    )
    yield issued("mosca_style", "A14", mosca, san=["DNS:mosca", "DNS:mqtt", "DNS:localhost"])
