"""A worker whose threads wait for no client: a request has one when all of it is there, and until it is answered.

gunicorn's threaded worker gives each connection a thread at once: eight clients that send nothing, or a body octet by
octet, hold eight threads. Here the loop that accepts connections also reads from them, without waiting, hands a request
on when it is whole, and sends what a client was slow to take of its answer.
"""

from __future__ import annotations

import errno
import logging
import selectors
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from gunicorn.sock import ssl_context
from gunicorn.workers.gthread import ThreadWorker

from app.http_server.connection import Connection
from app.http_server.early_answer import early_answer, status_of
from app.http_server.shared_counts import SharedCounts

if TYPE_CHECKING:
    import socket
    from concurrent.futures import Future, ThreadPoolExecutor

_log = logging.getLogger("midca")
_request_log = logging.getLogger("midca.request")
_NOBODY_THERE: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED})
_NO_ROOM: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOOK_ROUND: Final = 0.25  # seconds between two looks at who has waited too long
_FULL: Final = 1.0  # seconds in which nobody is waited for long, because a connection could not be taken
_MAX_KEPT: Final = 64 * 1024 * 1024  # octets of answers that wait for their clients; then long ones do not
_AFTER_YOU: Final = 0.001  # seconds that a worker with fewer connections gets to take one first, a few times over
_TIMES: Final = 5
_PAUSE: Final = 0.05  # seconds for requests to end then


class PatientWorker(ThreadWorker):  # type: ignore[misc] # gunicorn ships no types
    """``max_body`` is the longest body that the application reads, ``place`` this worker's in ``counts``."""

    max_body: int
    counts: SharedCounts
    place: int
    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Take what gunicorn gives a worker."""
        super().__init__(*args, **kwargs)
        self._waiting: set[Connection] = set()
        self._look_round_at = 0.0
        self._full_until = 0.0

    def init_process(self) -> None:
        """Begin. Until gunicorn has set up its signals, those of its master are inherited: they would be lost here."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        super().init_process()

    def get_thread_pool(self) -> ThreadPoolExecutor:
        """Return all threads, started: one that cannot be had is missed now and not by a request."""
        pool: ThreadPoolExecutor = super().get_thread_pool()
        all_there = threading.Barrier(self.cfg.threads + 1)
        try:
            for _ in range(self.cfg.threads):
                pool.submit(all_there.wait)
        except RuntimeError:
            all_there.abort()  # or those that are there wait for ever, and this process for them
            raise
        all_there.wait()
        return pool

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 -- as gunicorn has it
        """Take connections or not. One that stops lets go of its listeners: else new clients wait for nobody."""
        super().set_accept_enabled(enabled)
        self._count(0)
        if not self.alive:
            for listener in self.sockets:
                listener.close()

    def is_parent_alive(self) -> bool:
        """Return whether this worker goes on; one that is left alone ends as one that was told to."""
        self.alive = self.alive and bool(super().is_parent_alive())
        return self.alive

    def accept(self, listener: Any) -> None:
        """Take a connection, if no worker that has fewer does, and a request if one has come with it."""
        for _ in range(_TIMES):
            if self.counts.another_has_fewer(self.place):
                time.sleep(_AFTER_YOU)
        try:
            sock, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_ROOM:
                self._make_room()
            elif error.errno not in _NOBODY_THERE:
                raise
            return
        self._count(1)
        try:
            if self.cfg.is_ssl:
                sock = ssl_context(self.cfg).wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            server = listener.getsockname()
            connection = Connection(sock, client, server, max_body=self.max_body, has_room=self._has_room)
        except OSError:  # it is over already
            self._close(sock)
        else:
            self._look(connection)

    def handle(self, connection: Connection) -> bool:
        """Answer the request that is there, in a thread; return whether another one may follow it."""
        request = None
        try:
            parser = connection.parser(self.cfg)
            request = next(parser)
            return self.handle_request(request, connection.answering) and connection.begin_next(parser)
        except (OSError, StopIteration) as error:
            self.log.debug("The client went away: %s", error)
        except Exception as error:  # noqa: BLE001 -- of gunicorn: what is no HTTP, and its own bugs
            self.handle_error(request, connection.answering, connection.answering.client, error)
        return False

    def handle_error(self, _request: object, client: Any, address: tuple[Any, ...], error: Exception) -> None:
        """Answer what is no valid HTTP, and what made gunicorn itself fail."""
        status = status_of(error)
        peer = str(address[0]) if address else "-"
        fields = {"status": int(status), "address": peer, "actor": "anonymous", "outcome": type(error).__name__}
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.error("unexpected error", exc_info=error, extra={"fields": fields})
        else:
            _request_log.info("request", extra={"fields": fields})
        with suppress(OSError):  # the client may be gone
            client.sendall(early_answer(status))

    def finish_request(self, connection: Connection, answered: Future[bool]) -> None:
        """Go on with a connection whose thread has ended."""
        if answered.cancelled() or answered.exception() is not None or not answered.result():
            connection.part()
        self._look(connection)

    def murder_pending(self) -> None:
        """Part from who has waited too long. gunicorn's loop calls this after every event."""
        now = time.monotonic()
        if now < self._look_round_at:
            return
        self._look_round_at = now + _LOOK_ROUND
        hurry = not self.alive or now < self._full_until or self.nr_conns >= self.worker_connections
        for connection in [each for each in self._waiting if each.is_overdue(now, self.cfg.keepalive, hurry=hurry)]:
            self._stop_waiting(connection)
            if connection.give_up():
                self._look(connection)
            else:
                self._close(connection.sock)

    def _look(self, connection: Connection) -> None:
        """Give the connection a thread if a request is there, else wait for its client."""
        try:
            is_there = connection.look()
        except OSError:
            self._close(connection.sock)
            return
        if is_there:
            self.enqueue_req(connection)
        else:
            self._waiting.add(connection)
            event = selectors.EVENT_WRITE if connection.is_sending else selectors.EVENT_READ
            self.poller.register(connection.sock, event, partial(self._ready, connection))

    def _ready(self, connection: Connection, _sock: object) -> None:
        self._stop_waiting(connection)
        self._look(connection)

    def _stop_waiting(self, connection: Connection) -> None:
        self._waiting.remove(connection)
        self.poller.unregister(connection.sock)

    def _close(self, sock: socket.socket) -> None:
        self._count(-1)
        sock.close()

    def _count(self, more: int) -> None:
        self.nr_conns += more
        if self._accepting:
            self.counts.set(self.place, self.nr_conns)
        else:
            self.counts.close(self.place)

    def _has_room(self) -> bool:
        """Return whether another long answer may wait for its client. Threads ask, so the set may be changing."""
        return sum(len(connection.answering.kept) for connection in list(self._waiting)) < _MAX_KEPT

    def _make_room(self) -> None:
        """Part from who has waited a while already, and let requests end: files are what there are too few of."""
        now = time.monotonic()
        if now >= self._full_until:
            _log.warning("no connection can be taken: as many files are open as may be")
        self._full_until = now + _FULL
        time.sleep(_PAUSE)
