"""What the files of the profiles may hold by which the program makes its own CAs and OCSP responders."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.errors import InvalidInput
from app.files.profile_contradictions import (
    extension_contradictions,
    policy_contradictions,
    refuse,
    validity_contradictions,
)
from app.files.profile_fields import Length, Oid
from app.files.profile_sections import BasicConstraintsSchema, about
from app.files.profile_shared import (
    AUTHORITY_INFORMATION,
    BACKDATE,
    CRL_DISTRIBUTION_POINTS,
    EXTENSIONS,
    FRESHEST_CRL,
    LINT,
    POLICIES,
    SIGNATURE_HASH,
    key_usage,
)
from app.pki import distinguished_name
from app.pki.alternative_name import is_host_name, is_mailbox
from app.pki.profile_rules import ProfileType

_CA_BITS: Final = frozenset({"keyCertSign", "cRLSign"})
_RESPONDER_BITS: Final = frozenset({"digitalSignature", "nonRepudiation"})


def _type(profile_type: ProfileType, whom: str) -> fields.Str:
    return fields.Str(
        required=True,
        validate=validate.OneOf([str(profile_type)]),
        metadata=about(f"For {whom}.", str(profile_type), "EJBCA type"),
    )


class Subtrees(fields.Field["tuple[x509.GeneralName, ...]"]):
    """A list of names of one kind, each of which stands for all below it."""

    JSON: Final = {"type": "array", "items": {"type": "string"}, "minItems": 1}

    def __init__(self, make: Callable[[str], x509.GeneralName], description: str, example: list[str]) -> None:
        """Take what makes a name of a text, or raises :class:`ValueError`."""
        metadata = about(description, example, "RFC 5280 4.2.1.10", **self.JSON)
        super().__init__(load_default=tuple, metadata=metadata)
        self.make = make

    def _deserialize(self, value: Any, *_: object, **__: object) -> tuple[x509.GeneralName, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise ValidationError("is a list of texts")
        try:
            return tuple(map(self.make, value))
        except (ValueError, InvalidInput) as error:
            raise ValidationError(str(error)) from error


def _host(text: str) -> str:
    if not is_host_name(text):
        raise ValueError(f"{text!r} is no host name")
    return text


def _hosts(text: str) -> str:
    """A host, or a dot and the domain in which all hosts are meant."""
    _host(text.removeprefix("."))
    return text


def _mailboxes(text: str) -> str:
    return text if is_mailbox(text) else _hosts(text)


def _ocsp_signing_alone(usages: list[x509.ObjectIdentifier]) -> None:
    if usages != [ExtendedKeyUsageOID.OCSP_SIGNING]:
        raise ValidationError("is [OCSPSigning] and nothing else")


class CaBasicConstraintsSchema(Schema):
    ca = fields.Bool(
        required=True,
        validate=validate.OneOf([True], error="a CA is one"),
        metadata=about("Always `true`.", True, "RFC 5280 4.2.1.9"),
    )
    critical = fields.Bool(
        required=True,
        validate=validate.OneOf([True], error="must be critical for a CA (RFC 5280 section 4.2.1.9)"),
        metadata=about("Always `true`.", True, "RFC 5280 4.2.1.9"),
    )
    pathlen = fields.Int(
        load_default=None,
        strict=True,
        validate=validate.Range(0, 9),
        metadata=about(
            "Most CAs below each other under it; also what a CA gets whose `pathlen` hierarchy.yaml leaves out.",
            0,
            "EJBCA pathlengthconstraint",
        ),
    )


class SubtreesSchema(Schema):
    dns = Subtrees(lambda text: x509.DNSName(_host(text)), "Hosts, with all below them.", ["devices.example"])
    ip = Subtrees(lambda text: x509.IPAddress(ipaddress.ip_network(text)), "Networks.", ["10.0.0.0/8"])
    email = Subtrees(
        lambda text: x509.RFC822Name(_mailboxes(text)),
        "Mailboxes, all of a host, or `.` and a domain for all hosts in it.",
        ["example.org"],
    )
    uri = Subtrees(
        lambda text: x509.UniformResourceIdentifier(_hosts(text)),
        "Hosts in URIs, or `.` and a domain for all hosts in it.",
        [".example.org"],
    )
    directory = Subtrees(
        lambda text: x509.DirectoryName(distinguished_name.parse(text)), "What subjects begin with.", ["O=dojot"]
    )


class NameConstraintsSchema(Schema):
    permitted = fields.Nested(
        SubtreesSchema,
        load_default=dict,
        metadata=about("Names of a kind only below one of these.", {"dns": ["devices.example"]}, "RFC 5280 4.2.1.10"),
    )
    excluded = fields.Nested(
        SubtreesSchema,
        load_default=dict,
        metadata=about("No names below these.", {"ip": ["0.0.0.0/0", "::/0"]}, "RFC 5280 4.2.1.10"),
    )


class AuthorityProfileSchema(Schema):
    """The whole file of a profile for CAs."""

    type = _type(ProfileType.CA, "CAs that hierarchy.yaml declares")
    signature_hash = SIGNATURE_HASH
    validity = Length(
        required=True,
        metadata=about(
            "The longest that a CA may be declared for, in days or as a length; also how long one lasts whose "
            "`validity` hierarchy.yaml leaves out.",
            "10y",
            "RFC 5280 4.1.2.5; EJBCA encodedvalidity",
            **Length.JSON,
        ),
    )
    backdate = BACKDATE
    basic_constraints = fields.Nested(
        CaBasicConstraintsSchema,
        required=True,
        metadata=about("That the holder is a CA.", {"ca": True, "critical": True, "pathlen": 0}, "RFC 5280 4.2.1.9"),
    )
    key_usage = key_usage(["keyCertSign", "cRLSign"])
    name_constraints = fields.Nested(
        NameConstraintsSchema,
        load_default=dict,
        metadata=about(
            "What its certificates may be for, always critical; the CA refuses everything else. Of a kind that is not "
            "named all names are free.",
            {"permitted": {"dns": ["devices.example"]}},
            "RFC 5280 4.2.1.10",
        ),
    )
    policies = POLICIES
    extensions = EXTENSIONS
    crl_distribution_points = CRL_DISTRIBUTION_POINTS
    freshest_crl = FRESHEST_CRL
    authority_information = AUTHORITY_INFORMATION
    lint = LINT

    @validates_schema
    def _no_contradictions(self, data: dict[str, Any], **_: object) -> None:
        refuse(_of_authorities(data))


class ResponderProfileSchema(Schema):
    """The whole file of the profile for OCSP responders."""

    type = _type(ProfileType.OCSP_RESPONDER, "the OCSP responder of each CA")
    signature_hash = SIGNATURE_HASH
    validity = Length(
        required=True,
        metadata=about("Days, or a length; a new one is made at half of it.", 30, "RFC 6960 4.2.2.2.1", **Length.JSON),
    )
    backdate = BACKDATE
    basic_constraints = fields.Nested(
        BasicConstraintsSchema,
        required=True,
        metadata=about("That the holder is no CA.", {"ca": False, "critical": True}, "RFC 5280 4.2.1.9"),
    )
    key_usage = key_usage(["digitalSignature"])
    extended_key_usage = fields.List(
        Oid({"OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING}, metadata={"type": "string"}),
        required=True,
        validate=_ocsp_signing_alone,
        metadata=about("Always `[OCSPSigning]`.", ["OCSPSigning"], "RFC 6960 4.2.2.2"),
    )
    ocsp_nocheck = fields.Bool(
        required=True,
        metadata=about(
            "That nobody need ask whether the responder is revoked for as long as its certificate lasts.",
            True,
            "RFC 6960 4.2.2.2.1; EJBCA useocspnocheck",
        ),
    )
    policies = POLICIES
    extensions = EXTENSIONS
    crl_distribution_points = fields.Bool(
        load_default=False,
        metadata=about(
            "Name the URL of the revocation list, where MIDCA_PUBLIC_URL is set.", False, "RFC 6960 4.2.2.2.1"
        ),
    )
    lint = LINT

    @validates_schema
    def _no_contradictions(self, data: dict[str, Any], **_: object) -> None:
        refuse(_of_responders(data))


def _of_authorities(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _of_own(data)
    bits = frozenset(data["key_usage"]["bits"])
    if not bits >= _CA_BITS:
        yield "key_usage", f"a CA signs certificates and lists: it needs {' and '.join(sorted(_CA_BITS))}"
    if others := sorted(bits - _CA_BITS - {"digitalSignature"}):
        yield "key_usage", f"the key of a CA does nothing else: {', '.join(others)}"


def _of_responders(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _of_own(data)
    bits = frozenset(data["key_usage"]["bits"])
    if "digitalSignature" not in bits:
        yield "key_usage", "a responder signs answers: it needs digitalSignature"
    if others := sorted(bits - _RESPONDER_BITS):
        yield "key_usage", f"the key of a responder does nothing else: {', '.join(others)}"
    if data["validity"] < timedelta(days=1):
        yield "validity", "a responder that lasts less than a day is renewed too often"
    if not data["ocsp_nocheck"] and not data["crl_distribution_points"]:
        yield "ocsp_nocheck", "without it and without a revocation list nobody can tell that a responder is revoked"


def _of_own(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    yield from validity_contradictions(data)
    yield from policy_contradictions(data["policies"])
    yield from extension_contradictions(data)
