"""Who asks: logged in at dojot's ``/auth``, with a token from elsewhere, or nobody."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from .errors import BadAnswer, ClientError, Refused
from .http_server import HttpServer


@dataclass(frozen=True)
class Token:
    """A bearer token; of a JWT (RFC 7519) its claims, which nobody has verified."""

    text: str = field(repr=False)

    @property
    def tenant(self) -> str | None:
        """The tenant of the user, which dojot's auth writes into ``service``."""
        tenant = self._claims().get("service")
        return tenant if isinstance(tenant, str) and tenant.isprintable() and tenant else None

    @property
    def expiry(self) -> datetime | None:
        """When it says that it expires."""
        seconds = self._claims().get("exp")
        try:
            return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
        except (TypeError, ValueError, OverflowError, OSError):
            return None

    def _claims(self) -> dict[str, Any]:
        parts = self.text.split(".")
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        except (IndexError, ValueError, RecursionError):
            return {}
        return claims if isinstance(claims, dict) else {}


def log_in(server: HttpServer, username: str, password: str) -> Token:
    """Return the token that dojot's auth gives for a user and a password."""
    try:
        answer = server.json("POST", "/auth", {"username": username, "passwd": password})
    except Refused as error:
        raise _not_logged_in(error, username) from error
    token = answer.get("jwt")
    if not isinstance(token, str) or not token.isascii() or not token.isprintable():
        raise BadAnswer(f"{server.url}/auth answers without a token (jwt).")
    return Token(token)


class Session:
    """Asks a server with a token; with a way to ``renew`` it, gets the first one and a new one when it has expired."""

    def __init__(
        self, server: HttpServer, token: Token | None = None, renew: Callable[[], Token] | None = None
    ) -> None:
        """Neither ``token`` nor ``renew``: ask without a token."""
        self.server = server
        self._token = token
        self._renew = renew
        self._lock = threading.Lock()

    def tenant(self) -> str:
        """Return the tenant that the token names, logging in if need be."""
        token = self._current(None)
        if token is None or token.tenant is None:
            raise ClientError("Without a token that names it (service) the tenant is not known.")
        return token.tenant

    def token(self) -> str | None:
        """Return the token's text, logging in if need be; None where nobody logs in."""
        token = self._current(None)
        return token.text if token else None

    @property
    def known_tenant(self) -> str | None:
        """The tenant, if there is a token by now that names one."""
        return self._token.tenant if self._token else None

    def json(self, method: str, path: str, document: Any = None) -> dict[str, Any]:
        """Ask as :meth:`HttpServer.json` does."""
        token = self._current(None)
        try:
            return self.server.json(method, path, document, token.text if token else None)
        except Refused as error:
            if error.status != HTTPStatus.UNAUTHORIZED:
                raise
            if self._renew is None:
                raise _not_accepted(error, token) from error
        newer = self._current(token)
        return self.server.json(method, path, document, newer.text if newer else None)

    def _current(self, refused: Token | None) -> Token | None:
        """Return the token, but a newer one than the one that was refused; one thread gets it for all."""
        with self._lock:
            if self._renew is not None and self._token is refused:
                self._token = self._renew()
            return self._token


def _not_logged_in(error: Refused, username: str) -> ClientError:
    match error.status:
        case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
            message, advice = f"dojot does not let {username} in: wrong user or password.", "Try again."
        case HTTPStatus.NOT_FOUND:
            message = f"There is no log-in at {error.where}."
            advice = "Is that dojot's URL? A midca without dojot is asked with --no-login."
        case HTTPStatus.TOO_MANY_REQUESTS:
            message = "dojot's gateway lets no more log-ins through for now."
            advice = "Its limits are 5 a minute and 40 an hour: wait, or hand over a token (--token-file)."
        case _:
            message, advice = str(error), error.advice
    return Refused(message, advice, error.status, error.where)


def _not_accepted(error: Refused, token: Token | None) -> ClientError:
    if token is None:
        return Refused(str(error), "That server wants a log-in: leave --no-login out.", error.status, error.where)
    expiry = token.expiry
    if expiry is not None and expiry <= datetime.now(UTC):
        message = f"The token has expired at {expiry:%Y-%m-%d %H:%M:%S} UTC."
    else:
        message = str(error)
    return Refused(message, "Get a new token, or log in with user and password.", error.status, error.where)
