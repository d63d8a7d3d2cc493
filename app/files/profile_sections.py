"""The sections of a profile's file: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.files.profile_fields import Der, Networks, Oid, Patterns
from app.pki.name_pattern import pattern_problem
from app.pki.profile_rules import ExtendedKeyUsageRule, KeyRule, KeyUsageRule, NameSource

CURVES: Final = {name: curve for curve, name in KeyRule.CURVES.items()}
ATTRIBUTES: Final = ("E", "UID", "CN", "SN", "GIVENNAME", "SURNAME", "T", "OU", "O", "L", "ST", "DC", "C")
USAGES: Final = ExtendedKeyUsageRule.NAMES
NAME_KINDS: Final = ("dns", "ip", "uri", "email")


def about(description: str, example: Any, source: str, **more: Any) -> dict[str, Any]:
    """Return a field's metadata: what the JSON Schema and the documentation say of it."""
    return {"description": description, "example": example, "x-source": source, **more}


class RsaSchema(Schema):
    min = fields.Int(
        required=True,
        strict=True,
        validate=validate.Range(2048, 8192),
        metadata=about("Fewest bits.", 2048, "EJBCA availablebitlengths"),
    )
    max = fields.Int(
        required=True,
        strict=True,
        validate=validate.Range(2048, 8192),
        metadata=about("Most bits.", 8192, "EJBCA availablebitlengths"),
    )

    @validates_schema
    def _ordered(self, data: dict[str, Any], **_: object) -> None:
        if data["min"] > data["max"]:
            raise ValidationError("min is greater than max")


class KeySchema(Schema):
    rsa = fields.Nested(RsaSchema, metadata=about("RSA keys, by length.", {"min": 2048, "max": 8192}, "RFC 8017"))
    curves = fields.List(
        fields.Str(validate=validate.OneOf(CURVES)),
        load_default=list,
        metadata=about("Elliptic curves.", ["P-256"], "RFC 5480; EJBCA availableeccurves"),
    )
    ed25519 = fields.Bool(load_default=False, metadata=about("Ed25519 keys.", True, "RFC 8410"))
    refuse_weak = fields.Bool(
        load_default=True,
        metadata=about(
            "Refuse keys that can be broken: RSA with ROCA, close, small or shared primes, a small private "
            "exponent; points of small order; small multiples of a curve's generator.",
            True,
            "EJBCA RsaKeyValidator, EccKeyValidator; CVE-2017-15361",
        ),
    )

    @validates_schema
    def _something(self, data: dict[str, Any], **_: object) -> None:
        if "rsa" not in data and not data["curves"] and not data["ed25519"]:
            raise ValidationError("no kind of key is allowed")


class SubjectSchema(Schema):
    attributes = fields.List(
        fields.Str(validate=validate.OneOf(ATTRIBUTES)),
        load_default=list,
        metadata=about(
            "Keep only these attributes of the end entity's name, in this order.",
            ["CN", "O"],
            "EJBCA usesubjectdnsubset",
        ),
    )
    template = fields.Str(
        load_default=None,
        metadata=about(
            "Make this name instead; `{username}` and `{common_name}` (the end entity's) are replaced.",
            "CN={username},OU=devices,O=dojot",
            "RFC 4514",
        ),
    )
    common_name = fields.Str(
        load_default=None,
        metadata=about(
            "Regular expression that the whole common name must match; there must be one alone.",
            "[a-f0-9]{6}",
            "EJBCA VALIDATION",
        ),
    )

    @validates_schema
    def _sensible(self, data: dict[str, Any], **_: object) -> None:
        if data["attributes"] and data["template"] is not None:
            raise ValidationError("attributes and template contradict each other")
        if data["attributes"] and "CN" not in data["attributes"]:
            raise ValidationError("must hold CN", "attributes")
        if len(set(data["attributes"])) < len(data["attributes"]):
            raise ValidationError("an attribute is there twice", "attributes")
        if data["common_name"] is not None and (problem := pattern_problem(data["common_name"])) is not None:
            raise ValidationError(problem, "common_name")


def _kind(description: str, example: Any, kind: type[Patterns] = Patterns) -> Patterns:
    metadata = about(f"{description} `true`: any; `false`: none.", example, "RFC 5280 4.2.1.6", **kind.JSON)
    return kind(load_default=False, metadata=metadata)


def name_template() -> fields.Str:
    """A name of which ``{username}`` is a part."""
    return fields.Str(
        validate=validate.Regexp(rf"({'|'.join(NAME_KINDS)}):\S+\Z", error="is not like dns:{{username}}.example")
    )


class AlternativeNamesSchema(Schema):
    source = fields.Str(
        load_default=str(NameSource.BOTH),
        validate=validate.OneOf([str(source) for source in NameSource]),
        metadata=about(
            "Who may bring names: the `request`, the end `entity` as it was registered, or `both`; all are held to "
            "what follows.",
            "entity",
            "EJBCA allowextensionoverride for 2.5.29.17",
        ),
    )
    dns = _kind("Host names there may be, or patterns of them.", [r"[a-z0-9-]+\.devices\.example"])
    ip = _kind("Addresses there may be, or networks they must lie in.", ["10.0.0.0/8"], Networks)
    uri = _kind("URIs there may be, or patterns of them.", ["urn:dojot:[a-z0-9]+"])
    email = _kind("Mailboxes there may be, or patterns of them.", [r"[a-z]+@devices\.example"])
    templates = fields.List(
        name_template(),
        load_default=list,
        metadata=about(
            "Names the profile writes; `{username}` and `{common_name}` are replaced.",
            ["dns:{username}.devices.example"],
            "RFC 5280 4.2.1.6",
        ),
    )
    required = fields.Bool(
        load_default=False, metadata=about("Refuse a certificate without any name.", True, "RFC 9525 2")
    )
    otherwise = fields.Str(
        load_default="refuse",
        validate=validate.OneOf(["refuse", "drop"]),
        metadata=about(
            "What becomes of a name that is not allowed: the request is refused, or the name dropped.",
            "drop",
            "RFC 2986 3: the CA may leave out what was asked",
        ),
    )
    max = fields.Int(
        load_default=100,
        strict=True,
        validate=validate.Range(1, 1000),
        metadata=about("Most names of all kinds that the certificate holds.", 100, "RFC 5280 4.2.1.6, which sets none"),
    )
    critical = fields.Bool(
        load_default=False,
        metadata=about("Mark the extension critical.", False, "EJBCA subjectalternativenamecritical"),
    )


class KeyUsageSchema(Schema):
    bits = fields.List(
        fields.Str(validate=validate.OneOf(KeyUsageRule.NAMES)),
        required=True,
        validate=validate.Length(min=1),
        metadata=about(
            "The bits; one that a key cannot do is left out for it.", ["digitalSignature"], "RFC 5280 4.2.1.3"
        ),
    )
    critical = fields.Bool(
        required=True, metadata=about("Mark the extension critical.", True, "EJBCA keyusagecritical")
    )


class ExtendedKeyUsageSchema(Schema):
    usages = fields.List(
        Oid(USAGES, metadata={"type": "string"}),
        load_default=list,
        metadata=about(f"{', '.join(USAGES)}, or OIDs.", ["clientAuth"], "RFC 5280 4.2.1.12"),
    )
    critical = fields.Bool(
        load_default=False, metadata=about("Mark the extension critical.", False, "EJBCA extendedkeyusagecritical")
    )


class BasicConstraintsSchema(Schema):
    ca = fields.Bool(
        required=True,
        validate=validate.OneOf([False], error="a profile for end entities makes no CA"),
        metadata=about("Always `false`: CAs are declared in hierarchy.yaml.", False, "RFC 5280 4.2.1.9"),
    )
    critical = fields.Bool(
        required=True, metadata=about("Mark the extension critical.", True, "EJBCA basicconstraintscritical")
    )


class PolicySchema(Schema):
    oid = Oid(required=True, metadata=about("The policy.", "1.3.6.1.4.1.55555.1.1", "RFC 5280 4.2.1.4", type="string"))
    cps = fields.Url(
        load_default=None,
        schemes={"http", "https"},
        validate=validate.Regexp(r"[\x21-\x7e]+\Z", error="is not ASCII (RFC 5280 4.2.1.4: an IA5String)"),
        metadata=about("Address of the practice statement.", "https://pki.example/cps", "RFC 5280 4.2.1.4"),
    )
    notice = fields.Str(
        load_default=None,
        validate=validate.And(
            validate.Length(1, 200),
            validate.Predicate("isprintable", error="holds a character that cannot be shown"),
        ),
        metadata=about("A text, of at most 200 characters.", "For devices of dojot.", "RFC 5280 4.2.1.4"),
    )


class StaticExtensionSchema(Schema):
    oid = Oid(required=True, metadata=about("The extension.", "1.3.6.1.4.1.55555.2", "RFC 5280 4.2", type="string"))
    critical = fields.Bool(load_default=False, metadata=about("Mark the extension critical.", False, "RFC 5280 4.2"))
    der = Der(
        required=True, metadata=about("Its value, DER as hex or base64.", "0c05646f6a6f74", "X.690", type="string")
    )
