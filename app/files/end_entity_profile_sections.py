"""The sections of an end entity profile's file: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.files.profile_fields import Cas
from app.files.profile_sections import ATTRIBUTES, NAME_KINDS, about, name_template
from app.pki.alternative_name import MAX_NAMES
from app.pki.end_entity import MAX_USERNAME_BYTES, TokenType
from app.pki.name_pattern import pattern_problem

_TOKEN_TYPES: Final = [token_type.name for token_type in TokenType]
_LONGEST_MINIMUM: Final = 32
"""Of a password: what `midca entity add` makes up has 32 characters."""


def _good_pattern(text: str) -> None:
    if (problem := pattern_problem(text)) is not None:
        raise ValidationError(problem)


class UsernameSchema(Schema):
    pattern = fields.Str(
        load_default=None,
        allow_none=False,
        validate=_good_pattern,
        metadata=about("Regular expression that the whole name must match.", "[a-f0-9]{5,6}", "EJBCA VALIDATION"),
    )
    max = fields.Int(
        load_default=MAX_USERNAME_BYTES,
        strict=True,
        validate=validate.Range(1, MAX_USERNAME_BYTES),
        metadata=about("Most characters.", 6, "RFC 5280 ub-common-name"),
    )


class SubjectFieldSchema(Schema):
    name = fields.Str(
        required=True,
        validate=validate.OneOf(ATTRIBUTES),
        metadata=about("The type of the attribute.", "CN", "RFC 4514 section 3"),
    )
    min = fields.Int(
        load_default=0,
        strict=True,
        validate=validate.Range(0, 32),
        metadata=about("Fewest of it; 1 and more: it must be there.", 1, "EJBCA REQUIRED"),
    )
    max = fields.Int(
        load_default=1,
        strict=True,
        validate=validate.Range(1, 32),
        metadata=about("Most of it.", 1, "EJBCA NUMBERARRAY"),
    )
    pattern = fields.Str(
        load_default=None,
        allow_none=False,
        validate=_good_pattern,
        metadata=about("Regular expression that the whole value must match.", "[A-Za-z ]+", "EJBCA VALIDATION"),
    )

    @validates_schema
    def _ordered(self, data: dict[str, Any], **_: object) -> None:
        if data["min"] > data["max"]:
            raise ValidationError("min is greater than max")


class SubjectFieldsSchema(Schema):
    attributes = fields.List(
        fields.Nested(SubjectFieldSchema),
        load_default=list,
        metadata=about("Attributes it may have.", [{"name": "CN", "min": 1}], "EJBCA USE"),
    )
    others = fields.Bool(load_default=False, metadata=about("Any other attribute may be there too.", True, "midca"))
    default = fields.Str(
        load_default="CN={username}",
        metadata=about(
            "The subject of who is registered without one; `{username}` is replaced.",
            "CN={username}",
            "EJBCA VALUE",
        ),
    )


class AlternativeNameFieldSchema(Schema):
    kind = fields.Str(
        required=True,
        validate=validate.OneOf(NAME_KINDS),
        metadata=about(f"{', '.join(NAME_KINDS)}.", "dns", "RFC 5280 4.2.1.6"),
    )
    least = fields.Int(
        data_key="min",
        load_default=0,
        strict=True,
        validate=validate.Range(0, MAX_NAMES),
        metadata=about("Fewest of it; 1 and more: it must be there.", 1, "EJBCA REQUIRED"),
    )
    most = fields.Int(
        data_key="max",
        load_default=1,
        strict=True,
        validate=validate.Range(1, MAX_NAMES),
        metadata=about("Most of it.", 1, "EJBCA NUMBERARRAY"),
    )
    pattern = fields.Str(
        load_default=None,
        allow_none=False,
        validate=_good_pattern,
        metadata=about(
            "Regular expression that the whole name must match.", r"[a-z0-9-]+\.devices\.example", "EJBCA VALIDATION"
        ),
    )

    @validates_schema
    def _ordered(self, data: dict[str, Any], **_: object) -> None:
        if data["least"] > data["most"]:
            raise ValidationError("min is greater than max")


class AlternativeNameFieldsSchema(Schema):
    names = fields.List(
        fields.Nested(AlternativeNameFieldSchema),
        load_default=list,
        metadata=about("Names it may have, by their kind.", [{"kind": "dns"}], "EJBCA USE"),
    )
    others = fields.Bool(load_default=False, metadata=about("Any of another kind may be there too.", True, "midca"))
    default = fields.List(
        name_template(),
        load_default=list,
        metadata=about(
            "The names of who is registered without any; `{username}` is replaced.",
            ["dns:{username}.devices.example"],
            "EJBCA VALUE",
        ),
    )


class CertificateProfilesSchema(Schema):
    default = fields.Str(
        required=True, metadata=about("The one without a choice.", "CFREE", "EJBCA DEFAULTCERTPROFILE")
    )
    allowed = Cas(
        required=True,
        metadata=about("`any`, or a list.", ["CFREE"], "EJBCA AVAILCERTPROFILES", **Cas.JSON),
    )


class AvailableCasSchema(Schema):
    default = fields.Str(required=True, metadata=about("The one without a choice.", "IOTmidCA", "EJBCA DEFAULTCA"))
    allowed = Cas(
        required=True,
        metadata=about("`any`, or a list.", ["IOTmidCA"], "EJBCA AVAILCAS", **Cas.JSON),
    )


class TokenTypesSchema(Schema):
    default = fields.Str(
        load_default=TokenType.USERGENERATED.name,
        validate=validate.OneOf(_TOKEN_TYPES),
        metadata=about("The one without a choice.", "USERGENERATED", "EJBCA DEFKEYSTORE"),
    )
    allowed = fields.List(
        fields.Str(validate=validate.OneOf(_TOKEN_TYPES)),
        required=True,
        metadata=about("Those that may be registered.", ["USERGENERATED"], "EJBCA AVAILKEYSTORE"),
    )


class PasswordSchema(Schema):
    default = fields.Bool(
        required=True,
        metadata=about("MIDCA_DEFAULT_PASSWORD applies when none is given; else one must be.", False, "EJBCA PASSWORD"),
    )
    min_length = fields.Int(
        load_default=1,
        strict=True,
        validate=validate.Range(1, _LONGEST_MINIMUM),
        metadata=about("Fewest characters.", 12, "EJBCA minimum password strength"),
    )
    refuse_guessable = fields.Bool(
        load_default=False,
        metadata=about(
            "Refuse one that has fewer than 8 different characters beside the names and `dojot`.",
            True,
            "EJBCA minimum password strength",
        ),
    )
