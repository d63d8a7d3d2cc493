"""``/ca/<issuer>/certificate/<serial>`` and ``/user/<username>/find``: single certificates and their status."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

from flask import Response, jsonify, request

from app.errors import InvalidInput
from app.frontends.ejbca_rest.blueprint import blueprint, envelope
from app.frontends.ejbca_rest.schemas import (
    Certificates,
    CertificatesQuery,
    CertificateStatus,
    Done,
    OneCertificate,
    RevocationQuery,
)
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, note, services
from app.pki.revocation import RevocationReason
from app.store.certificates import StoredCertificate

# EJBCA 6.3 answers this date for a certificate it does not know, and for one that is good: one millisecond before 1970.
_NEVER: Final = datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=UTC)
_SHOWN: Final = 40


@blueprint.get("/ca/<issuer>/certificate/<serial>/status")
@described(
    {200: CertificateStatus},
    refusals={
        400: "There is no such CA, or the serial number is not hex.",
        503: "The database cannot be read now; ask again later.",
    },
)
def certificate_status(issuer: str, serial: str) -> Response:
    """Answer with the reason and date of a revocation.

    A serial nobody issued is NOTREVOKED here, as it always was. Later clients read the same under ``return``.
    """
    stored = services().revocation.find(issuer, serial)
    reason = stored.revocation_reason if stored else RevocationReason.NOTREVOKED
    date = ((stored.revoked_at if stored else None) or _NEVER).isoformat()
    later = {
        "certificateSN": serial[:64].upper(),
        "issuerDN": services().authorities.named(issuer).subject_dn,
        "reason": int(reason),
        "revocationDate": date,
    }
    return jsonify(status={"reason": reason.name, "date": date, "return": later})


@blueprint.get("/ca/<issuer>/certificate/<serial>")
@described(
    {200: OneCertificate},
    refusals={400: "There is no such CA, or the serial number is not hex.", 404: "The CA has no such certificate."},
)
def get_certificate(issuer: str, serial: str) -> Response:
    """Answer with a certificate."""
    stored = services().revocation.find_for(actor(), issuer, serial)
    if stored is None or stored.certificate is None:
        raise HttpRefusal("no certificates found", HTTPStatus.NOT_FOUND)
    rendered = _rendered(stored.certificate)
    return jsonify(certificate={**rendered, "return": rendered})  # later clients read it there


@blueprint.delete("/ca/<issuer>/certificate/<serial>")
@described(
    {200: Done},
    query=RevocationQuery,
    refusals={
        400: "There is no such CA, certificate or reason; it is revoked already, or a CA's; only a hold is released."
    },
)
def revoke_certificate(issuer: str, serial: str) -> Response:
    """Revoke a certificate (``?reason=``, by default UNSPECIFIED); CERTIFICATEHOLD holds, NOTREVOKED releases."""
    note(serial=serial[:64])
    services().revocation.change(issuer, serial, reason_of_query(), actor())
    return envelope()


@blueprint.get("/user/<username>/find")
@described(
    {200: Certificates},
    query=CertificatesQuery,
    refusals={404: "There is no certificate of that end entity."},
)
def find_certificates(username: str) -> Response:
    """Answer with an end entity's certificates; with ``?valid=false`` also those revoked or past their end."""
    note(entity=username[:200])
    wanted = request.args.get("valid", "true") in {"true", "True"}
    found = [
        _rendered(stored.certificate)
        for stored in services().certificates.of_user(username)
        if stored.certificate is not None and (not wanted or _is_good(stored))
    ]
    if not found:
        raise HttpRefusal("no certificates found", HTTPStatus.NOT_FOUND)
    return jsonify(certs=found)


def reason_of_query() -> RevocationReason:
    """Return the reason that ``?reason=`` names."""
    name = request.args.get("reason", "UNSPECIFIED")
    try:
        return RevocationReason.from_name(name)
    except InvalidInput as error:
        raise HttpRefusal(f"invalid revokation reason {name[:_SHOWN]}") from error  # EJBCA-REST's spelling


def _is_good(stored: StoredCertificate) -> bool:
    return not stored.revoked and stored.not_after > services().revocation.now()


def _rendered(certificate: bytes) -> dict[str, Any]:
    """Return EJBCA's Certificate: the data is base64 of DER without line breaks."""
    data = base64.b64encode(certificate).decode()
    return {"certificate": None, "keyStore": None, "type": 0, "certificateData": data}
