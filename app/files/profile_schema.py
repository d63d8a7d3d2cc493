"""What a profile's file may hold: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate, validates_schema

from app.files.profile_contradictions import contradictions, refuse
from app.files.profile_fields import Cas, Oid, Shorthand, Validity
from app.files.profile_sections import (
    AlternativeNamesSchema,
    BasicConstraintsSchema,
    ExtendedKeyUsageSchema,
    KeySchema,
    SubjectSchema,
    about,
)
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
from app.pki.profile_rules import WEEKDAYS, ProfileType


class ProfileSchema(Schema):
    """The whole file of a profile for end entities."""

    type = fields.Str(
        load_default=str(ProfileType.END_ENTITY),
        validate=validate.OneOf([str(ProfileType.END_ENTITY)], error=f"is one of {', '.join(ProfileType)}"),
        metadata=about(
            "For whom. `ca` and `ocsp_responder` have the keys of the tables below.", "end_entity", "EJBCA type"
        ),
    )
    key = fields.Nested(
        KeySchema,
        required=True,
        metadata=about("Which keys are certified.", {"curves": ["P-256"]}, "EJBCA availablekeyalgorithms"),
    )
    signature_hash = SIGNATURE_HASH
    validity = Validity(
        required=True,
        metadata=about(
            "Days, or a length (`2y 3mo 4d 5h`; a year is 365 days, a month 30), or the date of the end. "
            "Never beyond the CA's own end.",
            730,
            "RFC 5280 4.1.2.5; EJBCA encodedvalidity",
            **Validity.JSON,
        ),
    )
    validity_override = Validity(
        load_default=None,
        metadata=about(
            "The most that an end entity (`startTime`, `endTime`) or a request (`notBefore`, `notAfter`) may ask for "
            "instead, counted from where `validity` starts; none: neither may.",
            "30y",
            "EJBCA allowvalidityoverride",
            **Validity.JSON,
        ),
    )
    backdate = BACKDATE
    no_end_on = fields.List(
        fields.Str(validate=validate.OneOf(WEEKDAYS)),
        load_default=list,
        metadata=about(
            "Weekdays (UTC) on which no certificate ends; the end moves to a day before.",
            ["saturday", "sunday"],
            "EJBCA expirationrestrictionweekdays",
        ),
    )
    subject = Shorthand(
        SubjectSchema,
        required=True,
        word="entity",
        metadata=about(
            "`entity`: the end entity's name as it was registered. Never the request's.", "entity", "RFC 5280 4.1.2.6"
        ),
    )
    alternative_names = fields.Nested(
        AlternativeNamesSchema,
        required=True,
        metadata=about("Subject alternative names.", {"dns": True}, "RFC 5280 4.2.1.6"),
    )
    key_usage = key_usage(["digitalSignature"])
    extended_key_usage = Shorthand(
        ExtendedKeyUsageSchema,
        load_default=lambda: {"usages": [], "critical": False},
        list_key="usages",
        metadata=about(
            "Purposes: a list, or a section with `critical`. None: no extension.", ["clientAuth"], "RFC 5280 4.2.1.12"
        ),
    )
    basic_constraints = fields.Nested(
        BasicConstraintsSchema,
        required=True,
        metadata=about("That the holder is no CA.", {"ca": False, "critical": True}, "RFC 5280 4.2.1.9"),
    )
    policies = POLICIES
    must_staple = fields.Bool(
        load_default=False, metadata=about("A server must staple an OCSP answer (TLS feature).", False, "RFC 7633")
    )
    extensions = EXTENSIONS
    keep_extensions = fields.List(
        Oid(metadata={"type": "string"}),
        load_default=list,
        metadata=about(
            "OIDs of extensions a request may bring as they are.",
            ["1.3.6.1.4.1.55555.3"],
            "EJBCA overridableextensionoids",
        ),
    )
    crl_distribution_points = CRL_DISTRIBUTION_POINTS
    freshest_crl = FRESHEST_CRL
    authority_information = AUTHORITY_INFORMATION
    renewal_window = fields.Int(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, 365),
        metadata=about(
            "Days before the end of its certificate in which an end entity may enrol again, with the password it has "
            "or by EST with the certificate. At most half of its life; once that ended, or its newest was revoked, it "
            "may not.",
            30,
            "EJBCA end entity profile, renew days before expiration",
        ),
    )
    single_active_certificate = fields.Bool(
        load_default=False,
        metadata=about(
            "A new certificate revokes (superseded) those its end entity had.",
            True,
            "EJBCA singleactivecertificateconstraint",
        ),
    )
    renewal_with_same_key = fields.Bool(
        load_default=True,
        metadata=about("An end entity may have its own key certified again.", True, "EJBCA CA setting"),
    )
    lint = LINT
    cas = Cas(
        required=True,
        metadata=about("CAs that may use the profile: `any`, or a list.", "any", "EJBCA availablecas", **Cas.JSON),
    )

    @validates_schema
    def _no_contradictions(self, data: dict[str, Any], **_: object) -> None:
        refuse(contradictions(data))
