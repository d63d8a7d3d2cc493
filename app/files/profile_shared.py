"""Keys that the files of several kinds of certificate profiles have, whomever those are for."""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives import hashes
from marshmallow import fields, validate

from app.files.profile_fields import Lint
from app.files.profile_sections import KeyUsageSchema, PolicySchema, StaticExtensionSchema, about
from app.pki.certificate_lint import EXTRA, LintLevel
from app.pki.certificate_template import Pointer

HASHES: Final[dict[str, hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None]] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
    "inherit": None,
}

SIGNATURE_HASH: Final = fields.Str(
    required=True,
    validate=validate.OneOf(HASHES),
    metadata=about(
        "Hash of the signature; its algorithm is that of the CA's key. `inherit`: as strong as the CA's key.",
        "inherit",
        "EJBCA signaturealgorithm",
    ),
)
BACKDATE: Final = fields.Int(
    load_default=10,
    strict=True,
    validate=validate.Range(0, 60),
    metadata=about("Minutes before now that a certificate starts.", 10, "EJBCA certificatevalidityoffset"),
)
POLICIES: Final = fields.List(
    fields.Nested(PolicySchema),
    load_default=list,
    metadata=about("Certificate policies.", [{"oid": "1.3.6.1.4.1.55555.1.1"}], "RFC 5280 4.2.1.4"),
)
EXTENSIONS: Final = fields.List(
    fields.Nested(StaticExtensionSchema),
    load_default=list,
    metadata=about(
        "Extensions of one value for all.",
        [{"oid": "1.3.6.1.4.1.55555.2", "der": "0c05646f6a6f74"}],
        "EJBCA custom certificate extensions",
    ),
)
LINT: Final = Lint(
    load_default=LintLevel.OFF,
    metadata=about(
        "Have pkilint look at the very certificate before it is signed; findings from this severity on refuse. "
        f"Needs `{EXTRA}`.",
        "error",
        "EJBCA external command validators",
        **Lint.JSON,
    ),
)
CRL_DISTRIBUTION_POINTS: Final = fields.Bool(
    load_default=True,
    metadata=about("Name the URL of the revocation list, where MIDCA_PUBLIC_URL is set.", True, "RFC 5280 4.2.1.13"),
)
FRESHEST_CRL: Final = fields.Bool(
    load_default=True,
    metadata=about("Name the URL of the delta list too, where deltas are issued.", True, "RFC 5280 4.2.1.15"),
)
AUTHORITY_INFORMATION: Final = fields.List(
    fields.Str(validate=validate.OneOf([str(Pointer.CA_ISSUERS), str(Pointer.OCSP)])),
    load_default=lambda: [str(Pointer.CA_ISSUERS), str(Pointer.OCSP)],
    metadata=about(
        "Name the URLs of the issuer's certificate and of the OCSP responder, where MIDCA_PUBLIC_URL is set.",
        ["caIssuers", "ocsp"],
        "RFC 5280 4.2.2.1",
    ),
)


def key_usage(example: list[str]) -> fields.Nested:
    """What the key may do, which is different for each type."""
    return fields.Nested(
        KeyUsageSchema,
        required=True,
        metadata=about("What the key may do.", {"bits": example, "critical": True}, "RFC 5280 4.2.1.3"),
    )
