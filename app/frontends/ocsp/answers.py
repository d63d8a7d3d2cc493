"""``/ocsp``: the status of one certificate.

What cannot be answered is an OCSPResponse as well, unsigned and with HTTP status 200 (RFC 6960 appendix A.2); only what
is no OCSP request to begin with is refused as HTTP.
"""

from __future__ import annotations

import base64
import binascii
import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from flask import Blueprint, Response, request

from app.errors import InvalidInput, Refusal, Unavailable, UnknownAuthority
from app.http_description import described
from app.http_frontend import HttpRefusal, note, read_body, services
from app.operations.ocsp import OcspAnswer
from app.pki.ocsp import OcspError

blueprint: Final = Blueprint("ocsp", __name__)
_log: Final = logging.getLogger("midca.request")
_REQUEST: Final = "application/ocsp-request"
_RESPONSE: Final = "application/ocsp-response"
_MAX_REQUEST: Final = 8 * 1024  # octets; one certificate's id takes about 100, a signature with its certificates more
_ERRORS: Final = {
    InvalidInput: OcspError.MALFORMED_REQUEST,
    UnknownAuthority: OcspError.UNAUTHORIZED,
    Unavailable: OcspError.TRY_LATER,
}


@blueprint.post("/ocsp")
@described(
    {200: (_RESPONSE,)},
    body=(_REQUEST,),
    refusals={
        400: "The body cannot be read.",
        413: "The body is larger than 8 KiB.",
        415: "The body is of another type.",
    },
)
def post() -> Response:
    """Answer the request in the body. Caches do not keep answers to POST."""
    if request.mimetype != _REQUEST:
        raise HttpRefusal(f"The body must be of the type {_REQUEST}.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    der = read_body(_MAX_REQUEST)
    return _answered(lambda: der, lambda answer: Response(answer.der, mimetype=_RESPONSE))


@blueprint.get("/ocsp/<path:request>", endpoint="get")
@described({200: (_RESPONSE,), 304: None})
def get(**_: str) -> Response:
    """Answer the request in the path: base64, which may hold ``/`` and ``+``, as they are or as ``%2F`` and ``%2B``."""
    # Not the router's idea of the path: a slash at its end is part of the base64.
    text = request.path.removeprefix("/ocsp/")
    return _answered(lambda: _decoded(text), _for_caches)


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("The OCSP request in the path is not base64.") from error


def _answered(der: Callable[[], bytes], respond: Callable[[OcspAnswer], Response]) -> Response:
    try:
        answer = services().ocsp.answer(der())
    except Refusal as refusal:
        return _failed(refusal)
    except Exception:  # noqa: BLE001 -- OCSP has its own way to say so; the traceback is logged
        _log.exception("unexpected error in OCSP")
        note(outcome="internalError", ocsp=OcspError.INTERNAL_ERROR.name.lower())
        return Response(OcspError.INTERNAL_ERROR.encoded, mimetype=_RESPONSE)
    note(ca=answer.ca_name, serial=answer.serial[:64], ocsp=answer.status.name.lower())
    return respond(answer)


def _failed(refusal: Refusal) -> Response:
    error = next((_ERRORS[kind] for kind in type(refusal).__mro__ if kind in _ERRORS), OcspError.INTERNAL_ERROR)
    note(outcome=refusal.code, reason=str(refusal)[:200], ocsp=error.name.lower())
    return Response(error.encoded, mimetype=_RESPONSE)


def _for_caches(answer: OcspAnswer) -> Response:
    """Return the answer with what HTTP caches need (RFC 5019 section 6); one they must not keep goes out no-store.

    Its entity tag is a weak one: each process signs for itself, so answers that say the same differ in their bytes.
    If-Modified-Since is not looked at: a date of whole seconds cannot tell a hold from its release.
    """
    response = Response(answer.der, mimetype=_RESPONSE)
    if answer.fresh_for is None:
        return response
    seconds = int(answer.fresh_for.total_seconds())
    response.last_modified = answer.this_update
    response.expires = services().ocsp.now() + answer.fresh_for
    response.headers["Cache-Control"] = f"max-age={seconds}, public, no-transform, must-revalidate"
    response.set_etag(answer.tag, weak=True)
    if request.if_none_match.contains_weak(answer.tag):
        response.status_code = HTTPStatus.NOT_MODIFIED
        response.set_data(b"")
    return response
