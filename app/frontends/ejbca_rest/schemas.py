"""The JSON of EJBCA-REST's answers and the parameters of its queries, with EJBCA's names.

The answers are written where they are made; these say what they look like, and tests hold the two together.
"""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields

from app.http_description import Answer, Refused
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason

_REASONS: Final = [reason.name for reason in RevocationReason]
_VALUE: Final = (
    "Base64 of DER, broken at 64 columns, to be put between one BEGIN and one END line; with more than one certificate "
    "the lines between them are there already."
)
_TRUE: Final = "Only `true` and `True` say yes."


def _text(description: str, *, null: bool = False) -> fields.Str:
    return fields.Str(required=True, allow_none=null, metadata={"description": description})


def date_field(what: str) -> fields.Str:
    """A date of a certificate that somebody may ask for."""
    return fields.Str(
        load_default=None,
        allow_none=True,
        metadata={
            "description": f"When the certificate {what}: `2030-12-31 23:59:59+00:00`, or days:hours:minutes from its "
            "signing. Only where the certificate profile has a `validity_override`."
        },
    )


def _null() -> fields.Str:
    return fields.Str(required=True, allow_none=True, metadata={"description": "Always null: of EJBCA, not of midca."})


class Done(Refused):
    """The answer of an act: ``{"message": "ok", "status": 200}``."""


class Registered(Done):
    password = fields.Str(
        metadata={"description": "Only where it was left out and MIDCA_DEFAULT_PASSWORD is `random`: told this once."}
    )


class ManyRegistered(Answer):
    users = fields.List(
        fields.Nested(Registered),
        required=True,
        metadata={"description": "What POST /user would have answered, for each in the order of the request."},
    )


class Version(Answer):
    version = _text("A text that is not empty.")


class Authority(Answer):
    id = fields.Int(required=True, metadata={"description": "EJBCA's: a hash of the name, and maybe negative."})
    name = _text("The CA's name, to be used in paths.")


class Authorities(Answer):
    CAs = fields.List(fields.Nested(Authority), required=True)


class AuthorityCertificate(Answer):
    certificate = _text(_VALUE)


class RevocationList(Answer):
    CRL = _text("Base64 of DER (RFC 5280 section 5) on one line.")


class LaterStatus(Answer):
    """The status as later versions of EJBCA-REST told it."""

    certificateSN = _text("The serial number in hex.")  # noqa: N815 -- EJBCA's name, as all below
    issuerDN = _text("The CA's distinguished name.")  # noqa: N815
    reason = fields.Int(required=True, metadata={"description": "The reason's number (RFC 5280 section 5.3.1), or -1."})
    revocationDate = fields.DateTime(required=True)  # noqa: N815


class Status(Answer):
    reason = fields.Str(required=True, metadata={"enum": _REASONS})
    date = fields.DateTime(
        required=True, metadata={"description": "When it was revoked; the last millisecond of 1969 when it was not."}
    )
    later = fields.Nested(LaterStatus, required=True, data_key="return")


class CertificateStatus(Answer):
    status = fields.Nested(Status, required=True)


class Certificate(Answer):
    """EJBCA's Certificate."""

    certificate = _null()
    keyStore = _null()  # noqa: N815
    type = fields.Int(required=True, metadata={"enum": [0]})
    certificateData = _text("Base64 of DER on one line.")  # noqa: N815


class CertificateForAll(Certificate):
    """The same, and once more where later clients read it."""

    later = fields.Nested(Certificate, required=True, data_key="return")


class OneCertificate(Answer):
    certificate = fields.Nested(CertificateForAll, required=True)


class Certificates(Answer):
    certs = fields.List(fields.Nested(Certificate), required=True)


class Issued(Answer):
    data = _text(_VALUE)
    responseType = fields.Str(required=True, metadata={"enum": ["CERTIFICATE"]})  # noqa: N815


class IssuedCertificate(Answer):
    status = fields.Nested(Issued, required=True)


class UserData(Answer):
    """EJBCA's UserDataVOWS, an end entity."""

    caName = _text("The CA that signs for it.")  # noqa: N815
    cardNumber = _null()  # noqa: N815
    certificateProfileName = _text("The profile that decides what its certificate says.")  # noqa: N815
    certificateSerialNumber = _null()  # noqa: N815
    clearPwd = fields.Bool(required=True)  # noqa: N815
    email = _null()
    endEntityProfileName = _text("EJBCA's end entity profile.")  # noqa: N815
    endTime = _text("When its certificates end.", null=True)  # noqa: N815
    extendedInformation = fields.List(fields.Str(), required=True)  # noqa: N815
    hardTokenIssuerName = _null()  # noqa: N815
    keyRecoverable = fields.Bool(required=True)  # noqa: N815
    password = _null()
    sendNotification = fields.Bool(required=True)  # noqa: N815
    startTime = _text("When its certificates begin to be good.", null=True)  # noqa: N815
    status = fields.Int(
        required=True,
        metadata={
            "enum": [int(status) for status in EndEntityStatus],
            "description": ", ".join(f"{status.name} {int(status)}" for status in EndEntityStatus),
        },
    )
    subjectAltName = _text("The alternative names it is registered with.", null=True)  # noqa: N815
    subjectDN = _text("The subject of its certificates.")  # noqa: N815
    tokenType = _text("USERGENERATED: its key never leaves it.")  # noqa: N815
    username = _text("Its name.")


class Users(Answer):
    user = fields.List(fields.Nested(UserData), required=True, metadata={"description": "A list of one."})


class RevocationListQuery(Schema):
    update = fields.Str(
        metadata={"description": f"Issue a new list first: an admin always, anyone else once a minute. {_TRUE}"}
    )
    delta = fields.Str(
        metadata={"description": f"Ask for the delta list, where MIDCA_DELTA_CRL_HOURS has some issued. {_TRUE}"}
    )


class RevocationQuery(Schema):
    reason = fields.Str(
        metadata={"enum": _REASONS, "default": "UNSPECIFIED", "description": "Why, in any case of letters."}
    )


class UserRevocationQuery(RevocationQuery):
    delete = fields.Str(metadata={"description": f"Forget the end entity too. {_TRUE}"})


class CertificatesQuery(Schema):
    valid = fields.Str(
        metadata={
            "default": "true",
            "description": f"Only those that are neither revoked nor past their end; any other word: all. {_TRUE}",
        }
    )
