"""``/ca/<name>/crl``: the CA's revocation list."""

from __future__ import annotations

import base64
from datetime import timedelta
from http import HTTPStatus
from typing import Final

from flask import Response, jsonify, request

from app.errors import NoSuchList
from app.frontends.ejbca_rest.blueprint import blueprint, envelope
from app.frontends.ejbca_rest.schemas import Done, RevocationList, RevocationListQuery
from app.http_access import is_admin
from app.http_description import described
from app.http_frontend import HttpRefusal, actor, services
from app.pki.distribution_points import ListKind

_TRUE: Final = {"true", "True"}  # as EJBCA-REST reads a boolean in a query
_ANYONE_MAY_UPDATE_EVERY: Final = timedelta(minutes=1)


@blueprint.get("/ca/<name>/crl")
@described(
    {200: RevocationList},
    query=RevocationListQuery,
    refusals={
        400: "There is no such CA.",
        404: "There is no delta list.",
        503: "There is no list that is good, or none could be issued; ask again later.",
    },
)
def get_crl(name: str) -> Response:
    """Answer with the newest list as unbroken base64 of DER; with ``?delta=true`` what changed since an earlier one.

    ``?update=true`` issues a new one first: for an admin always, for anyone at most once a minute.
    """
    authority = services().authorities.named(name)
    kind = ListKind.DELTA if request.args.get("delta") in _TRUE else ListKind.COMPLETE
    lists = services().revocation_lists
    if request.args.get("update") in _TRUE:
        if is_admin():
            lists.issue(authority, actor())
        else:
            lists.issue_if_older(authority, actor(), _ANYONE_MAY_UPDATE_EVERY)
    try:
        stored = lists.latest(authority, kind=kind)
    except NoSuchList as refusal:  # nothing of EJBCA's to pass on: EJBCA-REST answered 500
        raise HttpRefusal(str(refusal), HTTPStatus.NOT_FOUND) from refusal
    return jsonify(CRL=base64.b64encode(stored.crl).decode())


@blueprint.put("/ca/<name>/crl")
@described({200: Done}, refusals={400: "There is no such CA."})
def put_crl(name: str) -> Response:
    """Issue a new list now."""
    services().revocation_lists.issue(services().authorities.named(name), actor())
    return envelope()
