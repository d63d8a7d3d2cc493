"""``profiles/<NAME>.yaml`` to :class:`CertificateProfile`; an unknown key is an error that names it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.errors import ConfigurationError
from app.files.yaml_file import load
from app.pki.certificate_profile import CertificateProfile
from app.pki.certificate_template import Pointer
from app.pki.pointers_rule import PointersRule
from app.pki.profile_rules import (
    AlternativeNamesRule,
    BasicConstraintsRule,
    ExtendedKeyUsageRule,
    KeyRule,
    KeyUsageRule,
    ValidityRule,
)

if TYPE_CHECKING:
    from pathlib import Path

HIERARCHY_FILE: Final = "hierarchy.yaml"
_HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
_CURVES: Final = {"P-256": "secp256r1", "P-384": "secp384r1", "P-521": "secp521r1"}
_USAGES: Final = {
    "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
    "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
}
_SIGNS_CERTIFICATES: Final = {"keyCertSign", "cRLSign"}
_MAX_DAYS: Final = 36525


class _RsaSchema(Schema):
    min = fields.Int(required=True, strict=True, validate=validate.Range(2048, 8192))
    max = fields.Int(required=True, strict=True, validate=validate.Range(2048, 8192))

    @validates_schema
    def _ordered(self, data: dict[str, Any], **_: object) -> None:
        if data["min"] > data["max"]:
            raise ValidationError("min is greater than max")


class _KeySchema(Schema):
    rsa = fields.Nested(_RsaSchema)
    curves = fields.List(fields.Str(validate=validate.OneOf(_CURVES)), load_default=list)
    ed25519 = fields.Bool(load_default=False)

    @validates_schema
    def _something(self, data: dict[str, Any], **_: object) -> None:
        if "rsa" not in data and not data["curves"] and not data["ed25519"]:
            raise ValidationError("no kind of key is allowed")


class _AlternativeNamesSchema(Schema):
    dns = fields.Bool(required=True)
    ip = fields.Bool(required=True)
    max = fields.Int(load_default=100, strict=True, validate=validate.Range(1, 1000))


class _KeyUsageSchema(Schema):
    bits = fields.List(
        fields.Str(validate=validate.OneOf(KeyUsageRule.NAMES)), required=True, validate=validate.Length(min=1)
    )
    critical = fields.Bool(required=True)

    @validates_schema
    def _no_authority(self, data: dict[str, Any], **_: object) -> None:
        if _SIGNS_CERTIFICATES & set(data["bits"]):
            raise ValidationError("keyCertSign and cRLSign are for CAs; no end entity profile can give them")


class _BasicConstraintsSchema(Schema):
    ca = fields.Bool(required=True, validate=validate.OneOf([False], error="a profile for end entities makes no CA"))
    critical = fields.Bool(required=True)


class _Cas(fields.Field[frozenset[str] | None]):
    def _deserialize(self, value: Any, *_: object, **__: object) -> frozenset[str] | None:
        if value == "any":
            return None
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return frozenset(value)
        raise ValidationError("is either any or a list of CA names")


class _ProfileSchema(Schema):
    key = fields.Nested(_KeySchema, required=True)
    signature_hash = fields.Str(required=True, validate=validate.OneOf(_HASHES))
    validity = fields.Int(required=True, strict=True, validate=validate.Range(1, _MAX_DAYS))
    backdate = fields.Int(load_default=10, strict=True, validate=validate.Range(0, 60))
    subject = fields.Str(required=True, validate=validate.OneOf(["entity"]))
    alternative_names = fields.Nested(_AlternativeNamesSchema, required=True)
    key_usage = fields.Nested(_KeyUsageSchema, required=True)
    extended_key_usage = fields.List(fields.Str(validate=validate.OneOf(_USAGES)), load_default=list)
    basic_constraints = fields.Nested(_BasicConstraintsSchema, required=True)
    crl_distribution_points = fields.Bool(load_default=True)
    freshest_crl = fields.Bool(load_default=True)
    authority_information = fields.List(
        fields.Str(validate=validate.OneOf([Pointer.CA_ISSUERS, Pointer.OCSP])),
        load_default=lambda: [Pointer.CA_ISSUERS, Pointer.OCSP],
    )
    single_active_certificate = fields.Bool(load_default=False)
    cas = _Cas(required=True)


def load_profile(path: Path) -> CertificateProfile:
    """Read one profile; its name is the file's. Raises :class:`ConfigurationError` naming file and key."""
    data, sha256 = load(path, _ProfileSchema())
    rsa = data["key"].get("rsa", {})
    usages: list[x509.ObjectIdentifier] = [_USAGES[name] for name in data["extended_key_usage"]]
    return CertificateProfile(
        name=path.stem,
        sha256=sha256,
        cas=data["cas"],
        key=KeyRule(
            rsa_min_bits=rsa.get("min"),
            rsa_max_bits=rsa.get("max"),
            curves=tuple(_CURVES[name] for name in data["key"]["curves"]),
            ed25519=data["key"]["ed25519"],
        ),
        alternative_names=AlternativeNamesRule(
            dns=data["alternative_names"]["dns"],
            ip=data["alternative_names"]["ip"],
            maximum=data["alternative_names"]["max"],
        ),
        key_usage=KeyUsageRule(frozenset(data["key_usage"]["bits"]), data["key_usage"]["critical"]),
        extended_key_usage=ExtendedKeyUsageRule(tuple(usages)),
        basic_constraints=BasicConstraintsRule(ca=False, critical=data["basic_constraints"]["critical"]),
        validity=ValidityRule(timedelta(days=data["validity"]), timedelta(minutes=data["backdate"])),
        hash_algorithm=_HASHES[data["signature_hash"]],
        pointers=PointersRule(_pointers(data)),
        single_active_certificate=data["single_active_certificate"],
    )


def _pointers(data: dict[str, Any]) -> frozenset[Pointer]:
    wanted = {Pointer(name) for name in data["authority_information"]}
    if data["crl_distribution_points"]:
        wanted.add(Pointer.CRL)
    if data["freshest_crl"]:
        wanted.add(Pointer.FRESHEST_CRL)
    return frozenset(wanted)


def load_profiles(directory: Path) -> dict[str, CertificateProfile]:
    """Read all profiles of a directory by name."""
    paths = [path for path in sorted(directory.glob("*.yaml")) if path.name != HIERARCHY_FILE]
    if not paths:
        raise ConfigurationError(f"There is no certificate profile in {directory}.")
    return {path.stem: load_profile(path) for path in paths}
