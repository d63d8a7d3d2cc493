"""Clients that take their time, at the shipped server without anything in front of it (F28)."""

import itertools
import json
import socket
import time

import pytest

from tests.acceptance.server import RunningServer
from tests.acceptance.test_broken_http import exchange
from tests.builders import csr, one_line

pytestmark = pytest.mark.slow
MANY = 64
HEAD = b"POST /sign/f60c28/pkcs10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
SLOW = {
    "idle": (b"", b""),
    "head": (HEAD, b"X-Slow: "),
    "body": (HEAD + b"Content-Length: 5000\r\n\r\n{", b" "),
    "chunked body": (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n{\r\n0\r"),
}
"""What a slow client sends at once, and then octet by octet."""

DONE = {
    "body that is too long": HEAD + b"Content-Length: 100000\r\n\r\n ",
    "no end of the connection": b"GET /health HTTP/1.0\r\n\r\n",
    "answers": b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 200,
}
"""What is answered, to who does not go or does not read."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Two workers with 8 threads each, as by default."""
    with RunningServer(tmp_path_factory.mktemp("slow"), workers=2) as running:
        yield running
    running.check_signed_is_recorded()


@pytest.fixture
def connect(server):
    made = []

    def connect(octets: bytes = b"") -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        made[-1].sendall(octets)
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def is_open(connection: socket.socket) -> bool:
    """Whether the server is still waiting for this client, and has sent nothing."""
    connection.settimeout(0)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return True


@pytest.mark.parametrize("kinds", [["idle", "body"], ["head"], ["chunked body"]], ids=" and ".join)
def test_a_get_is_answered_while_many_slow_clients_are_connected(server, connect, kinds):
    """F28. Were a thread to wait for one of them, the answer would have to wait until it is gone."""
    slow = [(connect(SLOW[kind][0]), SLOW[kind][1]) for kind in kinds for _ in range(MANY)]
    for number in range(3):
        for connection, drops in slow:
            connection.sendall(drops[number : number + 1])
        assert server.get("/ca/IOTmidCA").status == 200

    assert all(is_open(connection) for connection, _ in slow)


@pytest.mark.parametrize("kind", DONE)
def test_many_clients_that_do_not_go_or_do_not_read_hold_up_nobody(server, connect, kind):
    connections = [connect(DONE[kind]) for _ in range(MANY)]
    for _ in range(3):
        assert server.get("/ca/IOTmidCA").status == 200

    assert len(connections) == MANY


def try_to_send(connection: socket.socket, octets: bytes) -> None:
    try:
        connection.sendall(octets)
    except OSError:
        assert True  # it was answered and left


def test_request_that_comes_octet_by_octet_is_answered(server, connect):
    assert server.register("f60c28", "dojot").status == 200
    body = json.dumps({"passwd": "dojot", "certificate": one_line(csr())}).encode()
    connection = connect()
    for octet in HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body:
        connection.sendall(bytes([octet]))

    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_requests_that_come_at_once_are_answered_in_their_order(server):
    requests = [
        b"GET /ca/IOTmidCA HTTP/1.1\r\nHost: x\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 2\r\n\r\n{}",
        b"GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n",
        b"HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n",
    ]

    answers = exchange(server, b"".join(requests)).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200", b"400", b"400", b"404", b"200"]


@pytest.mark.parametrize("cut", [1, 20, 39])
def test_half_of_the_next_request_may_come_with_the_first(connect, cut):
    both = b"GET /health HTTP/1.1\r\nHost: first\r\n\r\n" + b"GET /unknown HTTP/1.1\r\nHost: second\r\n\r\n"
    connection = connect(both[:-cut])
    first = connection.recv(1)
    connection.sendall(both[-cut:])
    connection.shutdown(socket.SHUT_WR)

    answers = (first + read_to_the_end(connection)).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200", b"404"]


def test_who_waits_to_be_told_to_send_the_body_is_told_so_once(connect):
    connection = connect(HEAD + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")

    assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"{}")
    assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


def test_who_would_send_too_much_is_refused_before_it_comes(connect):
    connection = connect(HEAD + b"Content-Length: 65537\r\nExpect: 100-continue\r\n\r\n")

    answer = read_to_the_end(connection)

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.count(b"HTTP/1.1") == 1


def read_to_the_end(connection: socket.socket) -> bytes:
    return b"".join(itertools.takewhile(bool, iter(lambda: connection.recv(65536), None)))


def test_server_with_half_a_request_and_idle_clients_stops_at_once(make_server):
    """F25."""
    with make_server(workers=2) as server:
        connections = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(8)]
        for connection in connections[:4]:
            connection.sendall(SLOW["body"][0])
        time.sleep(0.5)
        began = time.monotonic()
        assert server.stop() == 0

    assert time.monotonic() - began < 25, "it waited for them as for requests in flight"
    for connection in connections:
        connection.close()
