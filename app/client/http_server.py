"""HTTP as a careful client speaks it: the server is verified, time and size are bounded, no redirect is followed."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from .errors import BadAnswer, ClientError, FileTrouble, Refused, Unreachable, Untrusted

_SILENCE: Final = 10.0  # seconds in which not one byte comes
_MAX_SECONDS: Final = 120.0
_MAX_BYTES: Final = 64 * 1024 * 1024  # a revocation list of a million entries
_SHOWN: Final = 300  # characters of a server's own words
_REDIRECTIONS: Final = range(300, 400)
_SUCCESSES: Final = range(200, 300)


@dataclass(frozen=True)
class Answer:
    """An answer of any status, read to its end."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


@dataclass(frozen=True)
class HttpServer:
    """A server by its base URL. ``tls`` is how to trust it, None for plain HTTP."""

    host: str
    port: int
    prefix: str = ""
    tls: ssl.SSLContext | None = None
    max_seconds: float = field(default=_MAX_SECONDS, kw_only=True)
    max_bytes: int = field(default=_MAX_BYTES, kw_only=True)

    @classmethod
    def at(cls, url: str, *, ca_file: Path | None = None, verify: bool = True) -> HttpServer:
        """Return the server at ``url``, which is ``https://`` if it does not say.

        ``ca_file`` holds the CAs to trust in the place of the system's. ``verify=False`` trusts anybody. Raises
        :class:`ClientError` for what is no base URL, and for a ``ca_file`` that cannot be used.
        """
        full = url if "://" in url else f"https://{url}"
        try:
            parts = urlsplit(full)
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise _no_url() from error
        strange = parts.username is not None or parts.query or parts.fragment or not full.isprintable() or " " in full
        if parts.scheme not in {"http", "https"} or not host or strange:
            raise _no_url()
        https = parts.scheme == "https"
        tls = _tls(ca_file, verify=verify) if https else None
        return cls(host, port or (443 if https else 80), parts.path.rstrip("/"), tls)

    @property
    def url(self) -> str:
        """The base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}{self.prefix}"

    @property
    def is_local(self) -> bool:
        """Whether what is sent stays on this machine."""
        return self.host == "localhost" or self.host.startswith("127.") or self.host == "::1"

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Return the answer, whatever its status; raise :class:`Unreachable`, :class:`Untrusted` or
        :class:`BadAnswer`.
        """
        where = f"{self.url}{path}"
        try:
            with self._connected() as connection:
                connection.request(method, self.prefix + path, body, dict(headers or {}))
                return self._read(connection.getresponse(), where)
        except ssl.SSLCertVerificationError as error:
            raise _untrusted(self.url, error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _no_answer(where, self.url, error) from error

    def json(self, method: str, path: str, document: Any = None, token: str | None = None) -> dict[str, Any]:
        """Send and receive JSON; return the object of a success, and raise what :meth:`ask` does or :class:`Refused`.

        ``token`` goes into the header ``Authorization``.
        """
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        body = None if document is None else json.dumps(document).encode()
        answer = self.ask(method, path, body, headers)
        where = f"{self.url}{path}"
        if answer.status not in _SUCCESSES:
            raise refusal(answer, where)
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError) as error:
            raise BadAnswer(f"{where} does not answer with JSON.", "Is that the URL of dojot, or of midca?") from error
        if not isinstance(found, dict):
            raise BadAnswer(f"{where} does not answer with a JSON object.")
        return found

    @contextmanager
    def _connected(self) -> Iterator[http.client.HTTPConnection]:
        """Connect, and cut the connection when its time is over: a socket's own time-out begins anew with each byte."""
        connection = http.client.HTTPConnection(self.host, self.port)
        plain = socket.create_connection((self.host, self.port), _SILENCE)
        if self.tls is None:
            connection.sock = plain
        else:
            connection.sock = self.tls.wrap_socket(plain, server_hostname=self.host, do_handshake_on_connect=False)
        over = threading.Event()
        timer = threading.Timer(self.max_seconds, _cut, (connection.sock, over))
        timer.daemon = True
        timer.start()
        try:
            if isinstance(connection.sock, ssl.SSLSocket):
                connection.sock.do_handshake()
            yield connection
        finally:
            timer.cancel()
            connection.close()
            if over.is_set():
                raise TimeoutError(f"it is not complete after {self.max_seconds:.0f} seconds")

    def _read(self, response: http.client.HTTPResponse, where: str) -> Answer:
        body = response.read(self.max_bytes + 1)
        if len(body) > self.max_bytes:
            raise BadAnswer(f"{where} answers with more than {self.max_bytes} bytes.")
        if response.length:
            raise http.client.IncompleteRead(body, response.length)
        return Answer(response.status, response.headers, body)


def refusal(answer: Answer, where: str) -> ClientError:
    """Return the error for an answer that is no success, with what the server says of it."""
    if answer.status in _REDIRECTIONS:
        location = answer.headers.get("Location", "elsewhere")[:_SHOWN]
        return BadAnswer(f"{where} points to {location}.", "Give the URL it points to; no redirect is followed.")
    said = _words(answer.body)
    phrase = HTTPStatus(answer.status).phrase if answer.status in HTTPStatus.__members__.values() else "no success"
    return Refused(f"{where} answers {answer.status}: {said or phrase}", _advice(answer), answer.status, where)


def _words(body: bytes) -> str:
    """Return the sentence of a refusal in JSON, as EJBCA-REST, Kong and dojot's services write it."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(document, dict):
        return ""
    said = document.get("message") or document.get("error") or ""
    return (said if isinstance(said, str) else json.dumps(said))[:_SHOWN]


def _advice(answer: Answer) -> str:
    match answer.status:
        case HTTPStatus.UNAUTHORIZED:
            return "Log in (again): the token is missing, has expired or is not accepted."
        case HTTPStatus.FORBIDDEN:
            return "This user may not do that; ask dojot's administrator for the permission."
        case HTTPStatus.NOT_FOUND:
            return "Is that the URL of dojot, or of midca, and the name right?"
        case HTTPStatus.TOO_MANY_REQUESTS | HTTPStatus.SERVICE_UNAVAILABLE:
            seconds = answer.headers.get("Retry-After", "")
            return f"Try again in {seconds} seconds." if seconds.isdecimal() else "Try again later."
        case HTTPStatus.BAD_GATEWAY | HTTPStatus.GATEWAY_TIMEOUT:
            return "The gateway does not reach the service behind it: are auth and the CA running?"
        case _:
            return ""


def _tls(ca_file: Path | None, *, verify: bool) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise FileTrouble(f"{ca_file} holds no CA certificates that can be used: {error}.") from error
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _cut(sock: socket.socket, over: threading.Event) -> None:
    over.set()
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)  # SSLSocket's own would take its state from the reading thread


def _no_url() -> ClientError:  # it is not said again: there may be a password in it
    return ClientError("That is not the URL of a server.", "Give one such as https://dojot.example.org:8443.")


def _untrusted(url: str, error: ssl.SSLCertVerificationError) -> ClientError:
    return Untrusted(
        f"{url} cannot show that it is that server: {error.verify_message.rstrip('.')}.",
        "Check the host name. If the certificate is of a CA of your own, name its file (--https-ca).",
    )


def _no_answer(where: str, url: str, error: Exception) -> ClientError:
    if isinstance(error, ssl.SSLError):
        return Unreachable(f"{url} does not speak TLS as it should: {error.reason or error}.", "Is it http:// there?")
    if isinstance(error, socket.gaierror):
        return Unreachable(f"{url}: there is no host of that name.", "Check the URL and the name server.")
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"{url}: nobody listens there.", "Check the URL, and whether the server runs.")
    reason = str(error) or type(error).__name__
    return Unreachable(f"{where} does not answer: {reason}.", "Check the URL and the network, then try again.")
