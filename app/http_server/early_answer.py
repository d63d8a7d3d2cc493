"""What is answered to who never came as far as the application: JSON like all other answers, and no word repeated.

What cannot be read as a request may be the rest of a body whose length was wrong, with a password in it.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Final

from gunicorn.http import errors
from werkzeug.http import HTTP_STATUS_CODES  # Python's own phrases change with its version

_STATUSES: Final[dict[type[BaseException], HTTPStatus]] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.UnsupportedTransferCoding: HTTPStatus.NOT_IMPLEMENTED,
    errors.InvalidResponseHeader: HTTPStatus.INTERNAL_SERVER_ERROR,  # the application's fault, not the client's
    errors.InvalidResponseHeaderName: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.ParseException: HTTPStatus.BAD_REQUEST,
}


def status_of(error: Exception) -> HTTPStatus:
    """Return the status of what gunicorn's parser raised; 500 for what is a bug of ours."""
    found = (_STATUSES[cls] for cls in type(error).__mro__ if cls in _STATUSES)
    return next(found, HTTPStatus.INTERNAL_SERVER_ERROR)


def early_answer(status: HTTPStatus, message: str | None = None) -> bytes:
    """Return a whole HTTP answer, after which the connection is closed. Without a message it names the status."""
    phrase = HTTP_STATUS_CODES[status]
    message = phrase.lower() if message is None else message
    body = json.dumps({"message": message, "status": status}) + "\n"
    head = f"HTTP/1.1 {int(status)} {phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n{body}".encode()
