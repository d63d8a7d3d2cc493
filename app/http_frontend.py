"""What every HTTP front end shares: the services, the body of a request, and which status a refusal gets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, cast

from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from app import errors
from app.operations.actor import Actor
from app.operations.services import Services

MAX_BODY_BYTES: Final = 64 * 1024
EXTENSION: Final = "midca"


class HttpRefusal(errors.Refusal):
    """A request that is refused for what it is as HTTP, before the CA is asked."""

    def __init__(
        self, message: str, status: HTTPStatus = HTTPStatus.BAD_REQUEST, headers: Mapping[str, str] | None = None
    ) -> None:
        """Take the sentence, and the status and headers it is answered with."""
        self.status = status
        self.headers = headers or {}
        super().__init__(message)


class BrokenBody(HttpRefusal):
    """A body that breaks HTTP's own rules; where the next request on the connection begins is unknown."""


STATUSES: Final[dict[type[errors.Refusal], HTTPStatus]] = {
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotAllowed: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.TooManyFailures: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.Refusal: HTTPStatus.BAD_REQUEST,
}


def services() -> Services:
    """Return the services of the application that handles this request."""
    return cast("Services", current_app.extensions[EXTENSION])


def actor() -> Actor:
    """Return who makes this request, as ``app/http_access.py`` saw them."""
    return cast("Actor", g.actor)


def note(**fields: object) -> None:
    """Add fields to the log line of this request."""
    g.log_fields.update(fields)


def status_of(refusal: errors.Refusal) -> HTTPStatus:
    """Return the status for a refusal, by its nearest class in :data:`STATUSES`."""
    if isinstance(refusal, HttpRefusal):
        return refusal.status
    return next(STATUSES[cls] for cls in type(refusal).__mro__ if cls in STATUSES)


def headers_of(refusal: errors.Refusal) -> dict[str, str]:
    """Return the headers that belong to a refusal."""
    headers = dict(refusal.headers) if isinstance(refusal, HttpRefusal) else {}
    if isinstance(refusal, errors.TooManyFailures | errors.Unavailable):
        headers["Retry-After"] = str(refusal.retry_after)
    if isinstance(refusal, BrokenBody):
        headers["Connection"] = "close"
    if isinstance(refusal, errors.NotAuthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="midca"'
    return headers


def conditional(response: Response) -> Response:
    """Return the file, or 304 to who has it (RFC 9110 section 13.2.2); raise when ``If-Match`` names another."""
    environ = dict(request.environ)
    if environ.get("HTTP_IF_MATCH") == "*":  # true of whatever exists, which werkzeug overlooks
        del environ["HTTP_IF_MATCH"]
    response.add_etag()
    response.make_conditional(environ)
    if response.status_code == HTTPStatus.PRECONDITION_FAILED:
        raise HttpRefusal("The file is not the one that is asked for.", HTTPStatus.PRECONDITION_FAILED)
    return response


def json_object() -> dict[str, Any]:
    """Return the body as a JSON object; raise :class:`HttpRefusal` for anything else.

    Strict where lenient parsers differ from each other: UTF-8 only, no key twice, no NaN, no lone surrogate.
    """
    if request.mimetype != "application/json":
        raise HttpRefusal("invalid mimetype")
    body = read_body()
    try:
        text = body.decode("utf-8")
        document = _DECODER.decode(text)
        if "\\" in text:  # only an escape can be a lone surrogate
            json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise HttpRefusal("malformed JSON") from error
    if not isinstance(document, dict):
        raise HttpRefusal("malformed JSON")
    return document


def read_body(limit: int = MAX_BODY_BYTES) -> bytes:
    """Return the body as it was sent; one of more than ``limit`` octets is refused before it is read whole."""
    if request.headers.get("Content-Encoding") is not None:
        raise HttpRefusal("The body must not be compressed.", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    request.max_content_length = limit
    try:
        return request.get_data(cache=False)
    except HTTPException:  # too large
        raise
    except Exception as error:  # whatever class the WSGI server has for a body that is not valid HTTP
        raise BrokenBody("The body of the request cannot be read.") from error


def _no_key_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) < len(pairs):
        raise ValueError("a key is there twice")
    return document


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_no_key_twice, parse_constant=_no_constant)
