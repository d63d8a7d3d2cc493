"""A client's connection: it waits for its client on its own, and has a thread only while a request is answered."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Any, Final

from gunicorn.http.errors import LimitRequestHeaders, NoMoreData, ParseException
from gunicorn.http.parser import RequestParser

from app.http_server.arriving_request import MAX_HEAD, ArrivingRequest
from app.http_server.early_answer import early_answer

_OCTETS_AT_ONCE: Final = 64 * 1024
_ALWAYS_KEPT: Final = 256 * 1024  # octets of an answer that are kept for a client who does not take them at once
_ARRIVING: Final = 30.0  # seconds that a request may take to arrive
_SENDING: Final = 60.0  # and its answer, to be taken
_LEAVING: Final = 2.0  # and the client's end of the connection, to be closed
_HURRY: Final = 2.0  # and anything but an answer, when there is no room or the server stops
_NOT_YET: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Connection:
    """``sock`` never blocks; ``since`` is when its client was last waited for."""

    def __init__(
        self, sock: socket.socket, client: Any, server: Any, *, max_body: int, has_room: Callable[[], bool]
    ) -> None:
        """Take a connected socket, whose TLS is still to be agreed on if it has any, and both its addresses.

        ``has_room`` tells whether an answer may be kept that is a long one.
        """
        sock.settimeout(0)
        self.sock = sock
        self.answering = Answering(sock, client, server, has_room)
        self.since = time.monotonic()
        self._max_body = max_body
        self._request = ArrivingRequest(max_body)
        self._is_secure = False
        self._is_leaving = False

    def look(self) -> bool:
        """Send what is left and take what has come; return whether a request is there.

        Raises :class:`OSError` when the client is gone.
        """
        try:
            if self.is_sending:
                self.answering.flush()
                self.since = time.monotonic()  # from here on it is waited for something else
            if self._is_leaving:
                self._leave()
            self._shake_hands()
            while not self._request.is_there:
                self._take(self.sock.recv(_OCTETS_AT_ONCE))
        except _NOT_YET:
            return False
        return True

    @property
    def is_sending(self) -> bool:
        """True when it is its turn once the client takes more, and not when more comes."""
        return bool(self.answering.kept)

    def is_overdue(self, now: float, idle: float, *, hurry: bool) -> bool:
        """Return whether it has waited too long; ``idle`` is how long it may when nothing has come."""
        if self.is_sending:
            patience = _SENDING
        else:
            patience = _LEAVING if self._is_leaving else _ARRIVING if self._request.octets else idle
            patience = min(patience, _HURRY) if hurry else patience
        return now - self.since > patience

    def give_up(self) -> bool:
        """Tell who sent half a request that it took too long; return False when there is nobody to be told anything."""
        if self._is_leaving or self.is_sending or not self._request.octets:
            return False
        self.answering.kept += _TOO_LATE
        self.part()
        return True

    def part(self) -> None:
        """Read no more requests: after the last answer the client is told that no more comes."""
        self._is_leaving = True
        self.since = time.monotonic()

    def parser(self, config: Any) -> RequestParser:
        """Return what parses the request that is there."""
        return _Parser(config, self._request, self.answering.client)

    def begin_next(self, parser: RequestParser) -> bool:
        """Wait for the next request behind one that was answered; False when it is not clear where it begins."""
        with suppress(ParseException, OSError):
            if parser.finish_body() and parser.unreader.take_buffered() == self._request.rest:
                self._request = ArrivingRequest(self._max_body, self._request.rest)
                self.since = time.monotonic()
                return True
        return False

    def _leave(self) -> None:
        """Close our end, and read past what the client sends until it closes its own (RFC 9112 section 9.6)."""
        if isinstance(self.sock, ssl.SSLSocket) and self._is_secure:
            self._is_secure = False
            with suppress(OSError):  # also where the client still sends what nobody reads
                self.sock.unwrap()
        self.sock.shutdown(socket.SHUT_WR)
        if not self.sock.recv(_OCTETS_AT_ONCE):
            raise ConnectionResetError
        raise BlockingIOError

    def _shake_hands(self) -> None:
        if isinstance(self.sock, ssl.SSLSocket) and not self._is_secure:
            try:
                self.sock.do_handshake()
            except ssl.SSLError as error:
                if error.reason != "HTTP_REQUEST":
                    raise
                self._refuse_plain_http()
                raise BlockingIOError from error
            self._is_secure = True

    def _refuse_plain_http(self) -> None:
        """Tell who speaks no TLS so, in the clear; nothing that they sent is read as a request."""
        self.sock = socket.socket(fileno=self.sock.detach())
        self.sock.settimeout(0)
        self.answering = self.answering.over(self.sock)
        self.answering.kept += _NO_TLS
        self.part()

    def _take(self, octets: bytes) -> None:
        if octets:
            if not self._request.octets:
                self.since = time.monotonic()
            self._request.add(octets)
        elif self._request.octets:
            self._request.end()
        else:
            raise ConnectionResetError
        if self._request.wants_continue and not self._request.is_there:
            self._request.wants_continue = False
            self.answering.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


class Answering:
    """What gunicorn answers a request by: it writes to this as to a socket that takes everything at once.

    What the client does not take is ``kept`` for when it does. Who is slow with a long answer while there is no room
    for any more of those is left: no thread waits.
    """

    def __init__(self, sock: socket.socket, client: Any, server: Any, has_room: Callable[[], bool]) -> None:
        """Take the socket and both its addresses, and whether a long answer may be kept."""
        self._sock = sock
        self._has_room = has_room
        self.sock, self.client, self.server = self, client, server
        self.kept = bytearray()

    def sendall(self, octets: bytes) -> None:
        """Send, or keep; raise :class:`OSError` when the client is gone, or must go."""
        self.kept += octets
        with suppress(*_NOT_YET):
            self.flush()
        if len(self.kept) > _ALWAYS_KEPT and not self._has_room():
            self.kept.clear()
            raise ConnectionAbortedError("too many long answers are kept")

    def flush(self) -> None:
        """Send what is kept; raise :class:`BlockingIOError` or its like when the client does not take it all."""
        while self.kept:
            del self.kept[: self._sock.send(self.kept)]

    def over(self, sock: socket.socket) -> Answering:
        """Return the same for another socket of the same connection."""
        return Answering(sock, self.client, self.server, self._has_room)

    def gettimeout(self) -> float | None:
        """Return how long a write waits."""
        return self._sock.gettimeout()

    def getpeercert(self, binary_form: bool = False) -> Any:  # noqa: FBT001, FBT002 -- as sockets have it
        """Return the client's certificate that TLS has verified, None when it showed none or is gone."""
        if not isinstance(self._sock, ssl.SSLSocket):
            return None
        try:
            return self._sock.getpeercert(binary_form)
        except ValueError:  # it ended the connection in the middle of a request, and OpenSSL knows of no handshake then
            return None

    def get_channel_binding(self) -> bytes | None:
        """Return the session's tls-unique (RFC 5929 section 3), None where no TLS is spoken."""
        return self._sock.get_channel_binding("tls-unique") if isinstance(self._sock, ssl.SSLSocket) else None


class _Parser(RequestParser):  # type: ignore[misc] # gunicorn ships no types
    """Reads a request that is there: from memory, so that it never waits for a client."""

    def __init__(self, config: Any, request: ArrivingRequest, client: Any) -> None:
        super().__init__(config, [bytes(request.octets)], client)
        self._request = request

    def __next__(self) -> Any:
        try:
            parsed = super().__next__()
        except NoMoreData:
            if not self._request.has_long_head:
                raise
        if self._request.has_long_head:
            raise LimitRequestHeaders(f"more than {MAX_HEAD} octets")
        parsed._expected_100_continue = False  # noqa: SLF001 -- it was told so before its body came
        if self._request.is_last:
            parsed.force_close()
        return parsed


_NO_TLS: Final = early_answer(HTTPStatus.BAD_REQUEST, "TLS is spoken here: use https://.")
_TOO_LATE: Final = early_answer(HTTPStatus.REQUEST_TIMEOUT, "The request did not arrive in time.")
