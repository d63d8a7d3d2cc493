"""``profiles/hierarchy.yaml``: the CAs an installation has, in the nested shape of EJBCA-REST's caHierarchy.json."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.errors import ConfigurationError, InvalidInput
from app.files.yaml_file import load
from app.pki import distinguished_name
from app.pki.declared_authority import KEY_TYPES, ROOT_PROFILE, SUB_PROFILE, DeclaredAuthority

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography import x509

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}")
# The files <CA>.bundle.pem and <CA>.crl.pem below /pki would be those of two CAs.
_NO_SUFFIX: Final = re.compile(r"(?!.*\.(bundle|crl)\Z)")
_MAX_DAYS: Final = 36525
_MAX_PARTITIONS: Final = 256


class _Dn(fields.Field["x509.Name"]):
    def _deserialize(self, value: Any, *_: object, **__: object) -> x509.Name:
        try:
            return distinguished_name.parse(str(value))
        except InvalidInput as error:
            raise ValidationError(str(error)) from error


class _AuthoritySchema(Schema):
    # A CA's name is also the name of its files, so it holds nothing a path could be built from.
    name = fields.Str(
        required=True,
        validate=[
            validate.Regexp(_NAME.pattern + r"\Z", error="is no name for a CA"),
            validate.Regexp(_NO_SUFFIX, error="is no name for a CA: it must not end in .bundle or .crl"),
        ],
    )
    dn = _Dn()
    profile = fields.Str(load_default=None)
    validity = fields.Int(load_default=None, strict=True, validate=validate.Range(1, _MAX_DAYS))
    keytype = fields.Str(load_default="RSA", validate=validate.OneOf(KEY_TYPES))
    keysize = fields.Int(load_default=4096, strict=True, validate=validate.Range(2048, 8192))
    pathlen = fields.Int(load_default=None, allow_none=True, strict=True, validate=validate.Range(0, 9))
    crl_partitions = fields.Int(load_default=0, strict=True, validate=validate.Range(0, _MAX_PARTITIONS))
    end_entities = fields.Bool(load_default=True)
    subca = fields.List(fields.Nested(lambda: _AuthoritySchema()), load_default=list)  # noqa: PLW0108 -- recursive

    @validates_schema
    def _path_length(self, data: dict[str, Any], **_: object) -> None:
        if data["pathlen"] is not None and _depth(data) > data["pathlen"]:
            raise ValidationError(f"pathlen {data['pathlen']} forbids the CAs below it (RFC 5280 section 4.2.1.9)")


class _HierarchySchema(Schema):
    hierarchy = fields.Str(load_default="tiered", validate=validate.OneOf(["tiered", "flat"]))
    cas = fields.List(fields.Nested(_AuthoritySchema), required=True, validate=validate.Length(min=1))


def load_hierarchy(path: Path) -> tuple[DeclaredAuthority, ...]:
    """Read the declared CAs, each issuer before the CAs it signs; raise :class:`ConfigurationError` naming the key."""
    data, _ = load(path, _HierarchySchema())
    flat = data["hierarchy"] == "flat"
    declared = [authority for root in data["cas"] for authority in _flatten(root, None, flat=flat)]
    for attribute in ("name", "subject"):
        values = [getattr(authority, attribute) for authority in declared]
        if len(set(values)) < len(values):
            raise ConfigurationError(f"{path}: two CAs have the same {attribute}.")
    if not any(authority.signs_end_entities for authority in declared):
        raise ConfigurationError(f"{path}: no CA signs end entities.")
    return tuple(declared)


def _depth(data: dict[str, Any]) -> int:
    """Return how many CAs stand below each other under this one."""
    return max((1 + _depth(sub) for sub in data["subca"]), default=0)


def _flatten(data: dict[str, Any], issuer: str | None, *, flat: bool) -> list[DeclaredAuthority]:
    own_issuer = None if flat else issuer
    authority = DeclaredAuthority(
        name=data["name"],
        subject=data.get("dn") or distinguished_name.of_common_name(data["name"]),
        validity=None if data["validity"] is None else timedelta(days=data["validity"]),
        key_type=data["keytype"],
        key_size=data["keysize"],
        path_length=data["pathlen"],
        signs_end_entities=data["end_entities"],
        issuer=own_issuer,
        profile=data["profile"] or (ROOT_PROFILE if own_issuer is None else SUB_PROFILE),
        depth=0 if flat else _depth(data),
        crl_partitions=data["crl_partitions"],
    )
    below = [inner for sub in data["subca"] for inner in _flatten(sub, authority.name, flat=flat)]
    return below if flat and not authority.signs_end_entities else [authority, *below]
