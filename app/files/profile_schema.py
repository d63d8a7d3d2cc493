"""What a profile's file may hold: each key with its meaning, an example and where it comes from."""

from __future__ import annotations

from typing import Any, Final

from cryptography.hazmat.primitives import hashes
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from app.files.profile_contradictions import contradictions
from app.files.profile_fields import Cas, Lint, Oid, Shorthand, Validity
from app.files.profile_sections import (
    AlternativeNamesSchema,
    BasicConstraintsSchema,
    ExtendedKeyUsageSchema,
    KeySchema,
    KeyUsageSchema,
    PolicySchema,
    StaticExtensionSchema,
    SubjectSchema,
    about,
)
from app.pki.certificate_lint import EXTRA, LintLevel
from app.pki.certificate_template import Pointer

HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
    "inherit": None,
}


class ProfileSchema(Schema):
    """The whole file."""

    key = fields.Nested(
        KeySchema,
        required=True,
        metadata=about("Which keys are certified.", {"curves": ["P-256"]}, "EJBCA availablekeyalgorithms"),
    )
    signature_hash = fields.Str(
        required=True,
        validate=validate.OneOf(HASHES),
        metadata=about(
            "Hash of the signature; its algorithm is that of the CA's key. `inherit`: as strong as the CA's key.",
            "inherit",
            "EJBCA signaturealgorithm",
        ),
    )
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
    backdate = fields.Int(
        load_default=10,
        strict=True,
        validate=validate.Range(0, 60),
        metadata=about("Minutes before now that a certificate starts.", 10, "EJBCA certificatevalidityoffset"),
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
    key_usage = fields.Nested(
        KeyUsageSchema,
        required=True,
        metadata=about("What the key may do.", {"bits": ["digitalSignature"], "critical": True}, "RFC 5280 4.2.1.3"),
    )
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
    policies = fields.List(
        fields.Nested(PolicySchema),
        load_default=list,
        metadata=about("Certificate policies.", [{"oid": "1.3.6.1.4.1.55555.1.1"}], "RFC 5280 4.2.1.4"),
    )
    must_staple = fields.Bool(
        load_default=False, metadata=about("A server must staple an OCSP answer (TLS feature).", False, "RFC 7633")
    )
    extensions = fields.List(
        fields.Nested(StaticExtensionSchema),
        load_default=list,
        metadata=about(
            "Extensions of one value for all.",
            [{"oid": "1.3.6.1.4.1.55555.2", "der": "0c05646f6a6f74"}],
            "EJBCA custom certificate extensions",
        ),
    )
    keep_extensions = fields.List(
        Oid(metadata={"type": "string"}),
        load_default=list,
        metadata=about(
            "OIDs of extensions a request may bring as they are.",
            ["1.3.6.1.4.1.55555.3"],
            "EJBCA overridableextensionoids",
        ),
    )
    crl_distribution_points = fields.Bool(
        load_default=True,
        metadata=about(
            "Name the URL of the revocation list, where MIDCA_PUBLIC_URL is set.", True, "RFC 5280 4.2.1.13"
        ),
    )
    freshest_crl = fields.Bool(
        load_default=True,
        metadata=about("Name the URL of the delta list too, where deltas are issued.", True, "RFC 5280 4.2.1.15"),
    )
    authority_information = fields.List(
        fields.Str(validate=validate.OneOf([str(Pointer.CA_ISSUERS), str(Pointer.OCSP)])),
        load_default=lambda: [str(Pointer.CA_ISSUERS), str(Pointer.OCSP)],
        metadata=about(
            "Name the URLs of the issuer's certificate and of the OCSP responder, where MIDCA_PUBLIC_URL is set.",
            ["caIssuers", "ocsp"],
            "RFC 5280 4.2.2.1",
        ),
    )
    renewal_window = fields.Int(
        load_default=None,
        allow_none=True,
        strict=True,
        validate=validate.Range(1, 365),
        metadata=about(
            "Days before the end of its certificate in which an end entity may enrol again with the password it has. "
            "Once ended or revoked, it may not.",
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
    lint = Lint(
        load_default=LintLevel.OFF,
        metadata=about(
            "Have pkilint look at the very certificate before it is signed; findings from this severity on refuse. "
            f"Needs `{EXTRA}`.",
            "error",
            "EJBCA external command validators",
            **Lint.JSON,
        ),
    )
    cas = Cas(
        required=True,
        metadata=about("CAs that may use the profile: `any`, or a list.", "any", "EJBCA availablecas", **Cas.JSON),
    )

    @validates_schema
    def _no_contradictions(self, data: dict[str, Any], **_: object) -> None:
        found: dict[str, list[str]] = {}
        for key, sentence in contradictions(data):
            found.setdefault(key, []).append(sentence)
        if found:
            raise ValidationError(found)
