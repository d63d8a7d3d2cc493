"""What a recipe yields: the request, how it is sent, and what the CA must make of it."""

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

from tests.vectors.der import (
    OCTET_STRING,
    UTF8,
    bit_string,
    explicit,
    integer,
    oid,
    sequence,
    set_of,
    tlv,
)
from tests.vectors.keys import rsa_key

Outcome = Literal["refused", "issued", "too_large"]
Send = Literal["text", "pem", "der_base64"]
Sign = Callable[[bytes], tuple[bytes, bytes]]

EXTENSION_REQUEST = "1.2.840.113549.1.9.14"
COMMON_NAME, ORGANISATION = "2.5.4.3", "2.5.4.10"
TRUE, FALSE = b"\x01\x01\xff", b"\x01\x01\x00"


class SigningKey(Protocol):
    @property
    def public_key_info(self) -> bytes: ...

    def sign(self, message: bytes, /) -> tuple[bytes, bytes]: ...


@dataclass(frozen=True)
class Vector:
    """`content` is DER for `der_base64`, else exactly the text that goes into the JSON field."""

    name: str
    case: str
    outcome: Outcome
    content: bytes
    send: Send = "der_base64"
    message: str | None = None
    san: tuple[str, ...] | None = None
    absent: tuple[str, ...] = ()

    @property
    def file_name(self) -> str:
        return f"{self.name}.{'txt' if self.send == 'text' else 'pem'}"

    @property
    def file_content(self) -> bytes:
        return pem(self.content) if self.send == "der_base64" else self.content


def refused(name: str, case: str, content: bytes, message: str | None = None, send: Send = "der_base64") -> Vector:
    """`message` is a fragment of a regular expression that the sentence of the refusal must match in any case."""
    return Vector(name, case, "refused", content, send, message)


def issued(
    name: str,
    case: str,
    content: bytes,
    *,
    san: Iterable[str] | None = None,
    absent: Iterable[str] = (),
    send: Send = "der_base64",
) -> Vector:
    """`san` is all that the certificate names, `absent` the extensions that it must not have."""
    return Vector(name, case, "issued", content, send, san=None if san is None else tuple(san), absent=tuple(absent))


def pem(der: bytes, label: str = "CERTIFICATE REQUEST", newline: str = "\n") -> bytes:
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return newline.join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""]).encode()


# --- the parts of a request (RFC 2986 section 4) ---------------------------------------------------------------------


def attribute(kind: str, value: bytes, tag: int = UTF8) -> bytes:
    """An AttributeTypeAndValue of a name."""
    return sequence(oid(kind), tlv(tag, value))


def name(*attributes: bytes) -> bytes:
    """Each attribute in an RDN of its own."""
    return sequence(*(set_of(each) for each in attributes))


DEVICE = name(attribute(COMMON_NAME, b"device1"))


def extension(kind: str, value: bytes, critical: bytes = b"") -> bytes:
    return sequence(oid(kind), critical, tlv(OCTET_STRING, value))


def extension_request(*extensions: bytes, kind: str = EXTENSION_REQUEST) -> bytes:
    return sequence(oid(kind), set_of(sequence(*extensions)))


def request_info(
    *,
    subject: bytes = DEVICE,
    key_info: bytes | None = None,
    attributes: Iterable[bytes] = (),
    version: bytes = integer(0),
) -> bytes:
    key_info = rsa_key("2048").public_key_info if key_info is None else key_info
    return sequence(version, subject, key_info, explicit(0, *sorted(attributes)))


def signed(info: bytes, sign: Sign | None = None) -> bytes:
    algorithm, signature = (sign or rsa_key("2048").sign)(info)
    return sequence(info, algorithm, bit_string(signature))


def request(
    *extensions: bytes,
    subject: bytes = DEVICE,
    key: SigningKey | None = None,
    attributes: Iterable[bytes] = (),
    version: bytes = integer(0),
) -> bytes:
    """A valid request of `device1`, but for what is named. Without extensions there is no extensionRequest."""
    key = key or rsa_key("2048")
    requested = (extension_request(*extensions),) if extensions else ()
    info = request_info(
        subject=subject, key_info=key.public_key_info, attributes=(*attributes, *requested), version=version
    )
    return signed(info, key.sign)


# --- extensions that several recipes use (RFC 5280 section 4.2) -------------------------------------------------------

SUBJECT_ALTERNATIVE_NAME, BASIC_CONSTRAINTS, KEY_USAGE = "2.5.29.17", "2.5.29.19", "2.5.29.15"


def dns(host: bytes | str) -> bytes:
    return tlv(0x82, host.encode() if isinstance(host, str) else host)


def ip(address: bytes) -> bytes:
    return tlv(0x87, address)


def alternative_names(*names: bytes, critical: bytes = b"") -> bytes:
    return extension(SUBJECT_ALTERNATIVE_NAME, sequence(*names), critical)


def key_usage(bits: bytes, unused: int) -> bytes:
    return extension(KEY_USAGE, bit_string(bits, unused))


def basic_constraints(*members: bytes, critical: bytes = b"") -> bytes:
    return extension(BASIC_CONSTRAINTS, sequence(*members), critical)
