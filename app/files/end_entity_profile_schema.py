"""What an end entity profile's file may hold: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any, Final

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.errors import InvalidInput
from app.files.profile_fields import Cas, Shorthand, Validity
from app.files.profile_sections import ATTRIBUTES, about
from app.pki import distinguished_name
from app.pki.end_entity import MAX_USERNAME_BYTES, TokenType
from app.pki.end_entity_rules import DOJOT_PASSWORD
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


class EnrolmentWindow(Validity):
    """``none``, or a length."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if value == "none":
            return None
        length = self._length(value)
        if length is None:
            raise ValidationError("is neither none, nor a number of days, nor a length such as 7d or 12h")
        return super()._deserialize(value, *args, **kwargs)


class EndEntityProfileSchema(Schema):
    """The whole file. The names of certificate profiles and CAs are held to those given, where any are."""

    username = Shorthand(
        UsernameSchema,
        load_default=lambda: UsernameSchema().load({}),
        word="any",
        metadata=about(
            "The end entity's name. `any`: any that can be one.", {"pattern": "[a-f0-9]{6}"}, "EJBCA USERNAME"
        ),
    )
    subject = fields.Nested(
        SubjectFieldsSchema,
        required=True,
        metadata=about("The subject.", {"attributes": [{"name": "CN", "min": 1}]}, "EJBCA subject DN fields"),
    )
    certificate_profiles = fields.Nested(
        CertificateProfilesSchema,
        required=True,
        metadata=about(
            "Certificate profiles that may be chosen.",
            {"default": "CFREE", "allowed": "any"},
            "EJBCA AVAILCERTPROFILES",
        ),
    )
    cas = fields.Nested(
        AvailableCasSchema,
        required=True,
        metadata=about("CAs that may be chosen.", {"default": "IOTmidCA", "allowed": "any"}, "EJBCA AVAILCAS"),
    )
    token_types = fields.Nested(
        TokenTypesSchema,
        required=True,
        metadata=about(
            "Who makes the key; only USERGENERATED enrols.", {"allowed": ["USERGENERATED"]}, "EJBCA AVAILKEYSTORE"
        ),
    )
    password = fields.Nested(
        PasswordSchema,
        required=True,
        metadata=about("The enrolment password.", {"default": False, "min_length": 12}, "EJBCA PASSWORD"),
    )
    enrolment_window = EnrolmentWindow(
        load_default=None,
        allow_none=False,
        metadata=about(
            "How long a password is good once it is set: `none` (until it is spent), or a length (`7d`, `12h`).",
            "7d",
            "NIST SP 800-63A 4.4.1.6",
            **EnrolmentWindow.JSON,
        ),
    )

    def __init__(
        self, *, profiles: Collection[str] | None = None, cas: Collection[str] | None = None, **kwargs: Any
    ) -> None:
        """Take the names of the certificate profiles and CAs that there are; None: not looked at."""
        super().__init__(**kwargs)
        self.names = {"certificate_profiles": profiles, "cas": cas}

    @validates_schema
    def _no_contradictions(self, data: dict[str, Any], **_: object) -> None:
        found: dict[str, list[str]] = {}
        for key, sentence in (*_subject(data["subject"]), *_choices(data), *_password(data), *self._unknown(data)):
            found.setdefault(key, []).append(sentence)
        if found:
            raise ValidationError(found)

    def _unknown(self, data: dict[str, Any]) -> Iterator[tuple[str, str]]:
        for key, known in self.names.items():
            for name in sorted({data[key]["default"], *(data[key]["allowed"] or ())}):
                if known is not None and name not in known:
                    yield key, f"there is no {name} beside it"


def _subject(subject: dict[str, Any]) -> Iterator[tuple[str, str]]:
    names = [attribute["name"] for attribute in subject["attributes"]]
    if len(set(names)) < len(names):
        yield "subject", "an attribute is there twice"
    if "CN" not in names and not subject["others"]:
        yield "subject", "CN is not allowed, and no certificate is without one"
    if any(attribute["name"] == "CN" and not attribute["min"] for attribute in subject["attributes"]):
        yield "subject", "CN has min 0, and no certificate is without one"
    try:
        default = distinguished_name.parse(subject["default"])
    except InvalidInput as error:
        yield "subject", str(error)
        return
    if distinguished_name.common_name(default) is None:
        yield "subject", "the default has no CN"
    if "{username}" not in subject["default"]:
        yield "subject", "the default gives every end entity the same name; it needs {username}"
    given = [distinguished_name.type_name(attribute.oid) for attribute in default]
    for attribute in subject["attributes"]:
        if not attribute["min"] <= given.count(attribute["name"]) <= attribute["max"]:
            yield "subject", f"the default has {given.count(attribute['name'])} {attribute['name']}"
    if not subject["others"] and (unlisted := sorted(set(given) - set(names))):
        yield "subject", f"the default has {', '.join(unlisted)}, which is not allowed"


def _choices(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("certificate_profiles", "cas", "token_types"):
        default, allowed = data[key]["default"], data[key]["allowed"]
        if allowed is not None and default not in allowed:
            yield key, f"the default {default} is not allowed"


def _password(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    password = data["password"]
    if password["default"] and (password["min_length"] > len(DOJOT_PASSWORD) or password["refuse_guessable"]):
        yield "password", f"the default password {DOJOT_PASSWORD} applies, and would be refused"
