"""How long a client is waited for, with less patience than shipped: nobody wants to wait for these tests."""

import select
import socket
import sys
import threading
import time
from contextlib import ExitStack

import pytest

from tests.acceptance.server import RunningServer
from tests.acceptance.test_slow_clients import SLOW, read_to_the_end, try_to_send

pytestmark = pytest.mark.slow
PATIENCE = 1.0
HURRIED = f"""
from app import command, server
from app.http_server import connection
connection._ARRIVING = connection._SENDING = {PATIENCE}
connection._ALWAYS_KEPT = 1024
options = server._Application._options
server._Application._options = lambda self: options(self) | {{"keepalive": {PATIENCE:.0f}}}
command.main()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RunningServer(tmp_path_factory.mktemp("hurried"), oracle=False, workers=1)
    running.environment["MIDCA_THREADS"] = "1"
    running.program = [sys.executable, "-c", HURRIED]
    with running:
        yield running


def connected(server, octets: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    connection.sendall(octets)
    return connection


def narrow(server) -> socket.socket:
    """A connection whose buffers, on both sides, are soon full."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.connect(("127.0.0.1", server.port))
    return connection


def wait_until_left(connection: socket.socket) -> None:
    """Wait for the end without reading anything."""
    poller = select.poll()
    poller.register(connection, 0)  # for errors and the end alone
    assert poller.poll(30_000)


@pytest.mark.parametrize("kind", ["head", "body", "chunked body"])
def test_who_sends_half_a_request_gets_408_in_the_end_however_often_an_octet_comes(server, kind):
    with connected(server, SLOW[kind][0]) as connection:
        began = time.monotonic()
        connection.settimeout(0.2)
        answer = b""
        while not answer:
            try:
                answer = connection.recv(65536)
            except TimeoutError:
                connection.sendall(b"a")
        connection.settimeout(30)
        answer += read_to_the_end(connection)

    assert time.monotonic() - began >= PATIENCE
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert answer.endswith(b'{"message": "The request did not arrive in time.", "status": 408}\n')


def test_who_sends_nothing_is_left_without_a_word(server):
    with connected(server) as connection:
        assert read_to_the_end(connection) == b""


def test_who_sends_no_other_request_is_left_without_a_word(server):
    with connected(server, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n") as connection:
        assert read_to_the_end(connection).count(b"HTTP/1.1 200") == 1


def test_who_does_not_take_long_answers_has_no_thread_and_is_left_in_the_end(server):
    """There is one thread."""
    with ExitStack() as connections:
        slow = [connections.enter_context(narrow(server)) for _ in range(8)]
        for connection in slow:
            connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 2500)
        assert server.get("/health").status == 200
        for connection in slow:
            wait_until_left(connection)
    assert "Traceback" not in server.log


def test_who_does_not_take_short_answers_is_left_in_the_end(server):
    with narrow(server) as connection:
        requests = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 20_000
        sender = threading.Thread(target=try_to_send, args=(connection, requests))
        sender.start()
        wait_until_left(connection)
        sender.join()
