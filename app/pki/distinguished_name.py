"""Distinguished names as EJBCA writes them, to and from :class:`x509.Name`, and the CA id computed from them.

EJBCA writes a name in the order of the certificate with the common name first (its "LDAP DN order" setting, on by
default): ``CN=IOTmidCA,O=EJBCA IOT,C=SE``. RFC 4514 section 2.1 writes the certificate's order reversed. Escapes are
RFC 4514's in both.
"""

from __future__ import annotations

import re
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.errors import InvalidInput
from app.pki.text import name_problem

_TYPE_BY_OID: Final = {
    NameOID.EMAIL_ADDRESS: "E",
    NameOID.USER_ID: "UID",
    NameOID.COMMON_NAME: "CN",
    NameOID.SERIAL_NUMBER: "SN",
    NameOID.GIVEN_NAME: "GIVENNAME",
    NameOID.SURNAME: "SURNAME",
    NameOID.TITLE: "T",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.COUNTRY_NAME: "C",
}
"""The attribute types midca knows, in the order EJBCA sorts a name into ("DN order", LDAP)."""

_ALIASES: Final = {"EMAILADDRESS": "E", "SERIALNUMBER": "SN", "GN": "GIVENNAME", "S": "ST"}
_OID_BY_TYPE: Final = {name: oid for oid, name in _TYPE_BY_OID.items()}
_RANK: Final = {oid: rank for rank, oid in enumerate(_TYPE_BY_OID)}
# What an attribute may be made of where its string type is narrower than UTF-8 (RFC 5280 appendix A.1): the library
# encodes without looking, and what it then signs cannot be read again.
_ALPHABETS: Final = {
    NameOID.COUNTRY_NAME: re.compile(r"[A-Za-z]{2}"),
    NameOID.SERIAL_NUMBER: re.compile(r"[A-Za-z0-9 '()+,./:=?-]+"),
    NameOID.EMAIL_ADDRESS: re.compile(r"[\x21-\x7e]+"),
    NameOID.DOMAIN_COMPONENT: re.compile(r"[A-Za-z0-9-]+"),
}
_MAX_ATTRIBUTES: Final = 32
_UNESCAPED_COMMA: Final = re.compile(r"(?:\\.|[^\\,])+", re.DOTALL)
_MAX_VALUE_BYTES: Final = 128
_SHOWN: Final = 80  # of what was sent, in a refusal
_MAX_BYTES: Final = 2048  # of a name as it is written: PostgreSQL has no index over texts of 2704
_MAX_COMMON_NAME_BYTES: Final = 64  # ub-common-name, RFC 5280 appendix A.1


def parse(text: str) -> x509.Name:
    """Read ``CN=IOTmidCA,O=EJBCA IOT,C=SE`` into a name with its attributes in the order written.

    Types may be in any case and blanks may stand around ``,`` and ``=``. Raises :class:`InvalidInput` when the text is
    no name, an attribute type is unknown, a value holds a character no name may hold, or an attribute is multi-valued.
    """
    attributes = [_canonical_attribute(part) for part in _split(text)]
    try:
        name = x509.Name.from_rfc4514_string(",".join(reversed(attributes)), attr_name_overrides=_OID_BY_TYPE)
    except ValueError as error:
        reason = str(error) or "it does not follow RFC 4514"
        raise InvalidInput(f"The distinguished name {text[:_SHOWN]!r} cannot be read: {reason}.") from error
    return checked(name)


def of_common_name(common_name: str) -> x509.Name:
    """Return the name with the one attribute CN; nothing in ``common_name`` is ever read as syntax."""
    try:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
    except ValueError as error:
        raise InvalidInput(f"The common name {common_name[:_SHOWN]!r} cannot be used: {error}.") from error
    return checked(name)


def to_string(name: x509.Name) -> str:
    """Write a name as EJBCA does: the certificate's order, no blank after the comma, RFC 4514 escapes."""
    return ",".join(rdn.rfc4514_string(attr_name_overrides=_TYPE_BY_OID) for rdn in name.rdns)


def usual_subject(username: str) -> str:
    """Return the subject that entries of the audit log leave out: the CN alone, to compare with, never to parse."""
    return f"CN={username}"


def attribute_oid(name: str) -> x509.ObjectIdentifier | None:
    """Return the attribute type that EJBCA writes as ``name``, e.g. ``CN``, or None."""
    return _OID_BY_TYPE.get(name)


def type_name(oid: x509.ObjectIdentifier) -> str:
    """Return how an attribute type is written, e.g. ``CN``."""
    return _TYPE_BY_OID.get(oid, oid.dotted_string)


def common_name(name: x509.Name) -> str | None:
    """Return the value of the first CN attribute, or None."""
    attributes = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(attributes[0].value) if attributes else None


def ca_id(name: x509.Name) -> int:
    """Return EJBCA's id of the CA with this subject: Java's ``String.hashCode`` of the sorted name, signed 32-bit.

    ``CN=IOTmidCA,O=EJBCA IOT,C=SE`` gives 576968287 and ``CN=PROTOCOL`` gives -1371917878, whatever the order, case of
    the types or blanks it was written with.
    """
    ordered = sorted(name.rdns, key=lambda rdn: _RANK.get(next(iter(rdn)).oid, len(_RANK)))
    value = 0
    for unit in _utf16_units(to_string(x509.Name(ordered))):
        value = (31 * value + unit) & 0xFFFF_FFFF
    return value - (1 << 32) if value & 0x8000_0000 else value


def _utf16_units(text: str) -> list[int]:
    encoded = text.encode("utf-16-be")
    return [int.from_bytes(encoded[index : index + 2]) for index in range(0, len(encoded), 2)]


def _split(text: str) -> list[str]:
    parts = _UNESCAPED_COMMA.findall(text)
    if not parts or ",".join(parts) != text:
        raise InvalidInput(f"The distinguished name {text[:_SHOWN]!r} cannot be read: it does not follow RFC 4514.")
    return parts


def _canonical_attribute(part: str) -> str:
    attribute_type, equals, value = part.partition("=")
    attribute_type = attribute_type.strip().upper()
    attribute_type = _ALIASES.get(attribute_type, attribute_type)
    if not equals or attribute_type not in _OID_BY_TYPE:
        known = ", ".join(_OID_BY_TYPE)
        raise InvalidInput(
            f"{part.strip()[:_SHOWN]!r} is no attribute of a distinguished name; the types known are {known}."
        )
    value = value.lstrip(" ")
    stripped = value.rstrip(" ")
    # "a\ " ends with an escaped blank, which belongs to the value.
    return f"{attribute_type}={stripped + ' ' if stripped.endswith(chr(92)) and stripped != value else stripped}"


def checked(name: x509.Name) -> x509.Name:
    """Return ``name`` when every attribute may stand in a certificate, else raise :class:`InvalidInput`."""
    if len(name.rdns) > _MAX_ATTRIBUTES:
        raise InvalidInput(f"A distinguished name has at most {_MAX_ATTRIBUTES} attributes.")
    for rdn in name.rdns:
        if len(rdn) > 1:
            raise InvalidInput("A multi-valued attribute (written with '+') is not accepted in a distinguished name.")
        attribute = next(iter(rdn))
        is_common_name = attribute.oid == NameOID.COMMON_NAME
        limit = _MAX_COMMON_NAME_BYTES if is_common_name else _MAX_VALUE_BYTES
        if (problem := name_problem(str(attribute.value), max_bytes=limit)) is not None:
            raise InvalidInput(f"The attribute {_TYPE_BY_OID.get(attribute.oid)} of the distinguished name {problem}.")
        alphabet = _ALPHABETS.get(attribute.oid)
        if alphabet is not None and not alphabet.fullmatch(str(attribute.value)):
            raise InvalidInput(
                f"The attribute {_TYPE_BY_OID[attribute.oid]} of the distinguished name holds a character it may not."
            )
    if len(to_string(name).encode()) > _MAX_BYTES:
        raise InvalidInput(f"The distinguished name is longer than {_MAX_BYTES} bytes.")
    return name
