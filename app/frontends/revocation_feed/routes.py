"""``/ca/<name>/revocations``: a revocation list tells serial numbers, a broker knows the names of its clients."""

from __future__ import annotations

from typing import Any, Final

from flask import Blueprint, Response, jsonify, request
from marshmallow import Schema, fields

from app.http_description import Answer, described
from app.http_frontend import actor, services
from app.operations.revocation_feed import BEGINNING, cursor_at
from app.pki import distinguished_name
from app.pki.revocation import RevocationReason
from app.store.revoked_certificates import Revoked

blueprint: Final = Blueprint("revocation_feed", __name__)


class Since(Schema):
    since = fields.Str(metadata={"description": "The `cursor` of the last answer. Left out: from the beginning."})


class RevokedHolder(Answer):
    serial = fields.Str(required=True, metadata={"description": "Upper-case hex without leading zeros."})
    username = fields.Str(required=True, metadata={"description": "The end entity."})
    commonName = fields.Str(  # noqa: N815 -- as in the other JSON of this interface
        required=True, allow_none=True, metadata={"description": "The name a broker reads in the certificate."}
    )
    reason = fields.Str(required=True, metadata={"enum": [reason.name for reason in RevocationReason]})
    date = fields.DateTime(required=True)
    cursor = fields.Str(required=True, metadata={"description": "Asks for what comes behind this one."})
    ends = fields.DateTime(required=True, metadata={"description": "When the certificate ends: then no list shows it."})


class Revocations(Answer):
    revocations = fields.List(fields.Nested(RevokedHolder), required=True)
    cursor = fields.Str(required=True, metadata={"description": "Where to go on the next time."})
    more = fields.Bool(required=True, metadata={"description": "There is more behind the cursor already."})


@blueprint.get("/ca/<name>/revocations")
@described(
    {200: Revocations},
    query=Since,
    refusals={
        400: "That is no cursor of this feed.",
        404: "There is no such CA.",
        409: "The cursor is ahead of the CA, which was put back from a backup: begin anew.",
    },
)
def list_revocations(name: str) -> Response:
    """Answer with the holders of certificates that were revoked or held since a cursor, oldest first, 1000 at most.

    Who is of a tenant sees the holders of that tenant.
    """
    page = services().revocation_feed.page(name, request.args.get("since", BEGINNING))
    shown = [_rendered(revoked) for revoked in page.revoked if actor().reaches(revoked.username)]
    return jsonify(revocations=shown, cursor=page.cursor, more=page.more)


def _rendered(revoked: Revoked) -> dict[str, Any]:
    return {
        "serial": revoked.serial,
        "username": revoked.username,
        "commonName": distinguished_name.common_name(distinguished_name.parse(revoked.subject_dn)),
        "reason": revoked.reason.name,
        "date": revoked.revoked_at.isoformat(),
        "cursor": cursor_at(revoked.at),
        "ends": revoked.not_after.isoformat(),
    }
