"""What an end entity profile's file may hold: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Any

from marshmallow import Schema, fields, validates_schema

from app.errors import InvalidInput
from app.files.end_entity_profile_sections import (
    AlternativeNameFieldsSchema,
    AvailableCasSchema,
    CertificateProfilesSchema,
    PasswordSchema,
    SubjectFieldsSchema,
    TokenTypesSchema,
    UsernameSchema,
)
from app.files.profile_contradictions import refuse, template_problem
from app.files.profile_fields import Length, Shorthand
from app.files.profile_sections import about
from app.pki import distinguished_name
from app.pki.end_entity_rules import DOJOT_PASSWORD


class EnrolmentWindow(Length):
    """``none``, or a length."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return None if value == "none" else super()._deserialize(value, *args, **kwargs)


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
    alternative_names = fields.Nested(
        AlternativeNameFieldsSchema,
        load_default=lambda: AlternativeNameFieldsSchema().load({}),
        metadata=about(
            "The alternative names; without this key it has none.",
            {"names": [{"kind": "dns"}]},
            "EJBCA subject alternative name fields",
        ),
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
        refuse(
            chain(
                _subject(data["subject"]),
                _alternative_names(data["alternative_names"]),
                _choices(data),
                _password(data),
                self._unknown(data),
            )
        )

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


def _alternative_names(names: dict[str, Any]) -> Iterator[tuple[str, str]]:
    kinds = [field["kind"] for field in names["names"]]
    if len(set(kinds)) < len(kinds):
        yield "alternative_names", "a kind is there twice"
    given = [text.partition(":")[0] for text in names["default"]]
    for field in names["names"]:
        if names["default"] and not field["least"] <= given.count(field["kind"]) <= field["most"]:
            yield "alternative_names", f"the default has {given.count(field['kind'])} {field['kind']}"
    if not names["others"] and (unlisted := sorted(set(given) - set(kinds))):
        yield "alternative_names", f"the default has {', '.join(unlisted)}, which is not allowed"
    for text in names["default"]:
        if (problem := template_problem(text, ("username",))) is not None:
            yield "alternative_names", problem


def _choices(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key in ("certificate_profiles", "cas", "token_types"):
        default, allowed = data[key]["default"], data[key]["allowed"]
        if allowed is not None and default not in allowed:
            yield key, f"the default {default} is not allowed"


def _password(data: dict[str, Any]) -> Iterator[tuple[str, str]]:
    password = data["password"]
    if password["default"] and (password["min_length"] > len(DOJOT_PASSWORD) or password["refuse_guessable"]):
        yield "password", f"the default password {DOJOT_PASSWORD} applies, and would be refused"
