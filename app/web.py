"""The WSGI application: mounts the front ends, guards every route, answers errors as JSON, logs a line a request."""

from __future__ import annotations

import logging
import re
import time
import uuid
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from flask import Flask, Response, g, jsonify, request
from marshmallow import fields as json_fields
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound
from werkzeug.http import HTTP_STATUS_CODES

from app.errors import Refusal, Unavailable
from app.frontends import api_description, distribution, ejbca_rest, est, metrics, ocsp, policy, revocation_feed
from app.http_access import authorise
from app.http_description import Answer, described
from app.http_frontend import EXTENSION, MAX_BODY_BYTES, headers_of, note, services, status_of

if TYPE_CHECKING:
    from app.operations.services import Services

_log = logging.getLogger("midca.request")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MAX_LOGGED: Final = 200
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def create_app(opened: Services) -> Flask:
    """Return the application over the given services."""
    app = Flask("midca", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.strict_slashes = False  # clients write /ca/ and follow no redirect
    app.url_map.merge_slashes = False
    app.extensions[EXTENSION] = opened
    app.before_request(_begin)
    app.after_request(_finish)
    app.register_error_handler(Refusal, _refused)
    app.register_error_handler(MemoryError, _out_of_memory)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _bug)
    app.register_blueprint(ejbca_rest.blueprint)
    app.register_blueprint(est.blueprint)
    app.register_blueprint(distribution.blueprint)
    app.register_blueprint(ocsp.blueprint)
    app.register_blueprint(revocation_feed.blueprint)
    app.register_blueprint(metrics.blueprint)
    app.register_blueprint(api_description.blueprint)
    app.register_blueprint(policy.blueprint)
    app.add_url_rule("/health", view_func=_health, methods=["GET"])
    app.add_url_rule("/ready", view_func=_ready, methods=["GET"])
    return app


def _begin() -> None:
    g.started = time.monotonic()
    g.log_fields = {}
    given = request.headers.get("X-Request-Id", "")
    g.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
    if request.environ["PATH_INFO"].startswith("//"):
        raise NotFound  # werkzeug reads //user as /user, which the rules of a gateway in front may not
    authorise()


class Health(Answer):
    status = json_fields.Str(required=True, metadata={"enum": ["ok"]})


class Ready(Answer):
    status = json_fields.Str(required=True, metadata={"enum": ["ok", "not ready"]})
    checks = json_fields.Dict(
        keys=json_fields.Str(),
        values=json_fields.Str(),
        required=True,
        metadata={"description": "For each check `ok`, or a sentence that says what is wrong."},
    )
    warnings = json_fields.List(
        json_fields.Str(),
        required=True,
        metadata={"description": "What will go wrong before long if nobody sees to it; it changes no status."},
    )


@described({200: Health})
def _health() -> Response:
    """Answer while the process serves."""
    return jsonify(status="ok")


@described({200: Ready, 503: Ready})
def _ready() -> tuple[Response, HTTPStatus]:
    """Answer whether database, keys, revocation lists, OCSP responders, disk and clock are fit for their work."""
    checks = services().readiness.check()
    ready = set(checks.values()) == {"ok"}
    status = HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE
    return jsonify(status="ok" if ready else "not ready", checks=checks, warnings=_warnings()), status


def _warnings() -> list[str]:
    try:
        return services().offline_alarm.warnings()
    except Refusal:  # the database; the checks say so
        return []


def _refused(refusal: Refusal) -> Response:
    note(outcome=refusal.code, reason=str(refusal)[:_MAX_LOGGED])
    return _error(str(refusal), status_of(refusal), headers_of(refusal))


def _out_of_memory(_error: MemoryError) -> Response:
    return _refused(Unavailable("There is not enough memory now."))


def _http_error(error: HTTPException) -> Response:
    status = HTTPStatus(error.code or 500)
    headers = {}
    if isinstance(error, MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    return _error(HTTP_STATUS_CODES[status].lower(), status, headers)  # Python's own phrases change with its version


def _bug(error: Exception) -> Response:
    _log.error("unexpected error", exc_info=error, extra={"fields": {"request_id": g.get("request_id")}})
    return _error("internal error", HTTPStatus.INTERNAL_SERVER_ERROR, {})


def _error(message: str, status: HTTPStatus, headers: dict[str, str]) -> Response:
    response = jsonify(message=message, status=int(status))
    response.status_code = status
    response.headers.update(headers)
    return response


def _finish(response: Response) -> Response:
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    seconds = time.monotonic() - g.started
    fields = {
        "request_id": g.request_id,
        "method": request.method if request.method in _METHODS else "other",
        "path": request.path[:_MAX_LOGGED],
        "status": response.status_code,
        "ms": round(seconds * 1000, 1),
        "address": g.get("address"),
        "actor": g.actor.name if "actor" in g else "refused",
        "outcome": "ok" if response.status_code < HTTPStatus.BAD_REQUEST else "refused",
        **g.log_fields,
    }
    metrics.count(response, seconds, fields)
    _log.info("request", extra={"fields": fields})
    return response
