"""The shapes all routes of EJBCA-REST share: the envelope, and EJBCA's refusals as "soap message"."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, jsonify

from app.errors import Forbidden, HasGoodCertificate, NotAuthenticated, Refusal
from app.http_frontend import HttpRefusal, headers_of, note, status_of

blueprint: Final = Blueprint("ejbca_rest", __name__)

_KEEP_STATUS: Final = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_MAX_LOGGED: Final = 200


def envelope(message: str = "ok", status: HTTPStatus = HTTPStatus.OK) -> Response:
    """Return ``{"message", "status"}``, the answer of every act and every refusal."""
    response = jsonify(message=message, status=int(status))
    response.status_code = status
    return response


@blueprint.errorhandler(Refusal)
def refused(refusal: Refusal) -> Response:
    """Answer as EJBCA-REST passes EJBCA's SOAP faults on: always 400, but where a client must know to come back."""
    note(outcome=refusal.code, reason=str(refusal)[:_MAX_LOGGED])
    response = envelope(*told(refusal))
    response.headers.update(headers_of(refusal))
    return response


def told(refusal: Refusal) -> tuple[str, HTTPStatus]:
    """Return what EJBCA-REST says of a refusal: the sentence and the status."""
    if isinstance(refusal, HttpRefusal | NotAuthenticated | Forbidden | HasGoodCertificate):  # none of EJBCA's own
        return str(refusal), status_of(refusal)
    status = status_of(refusal)
    return f"soap message: {refusal}", status if status in _KEEP_STATUS else HTTPStatus.BAD_REQUEST
