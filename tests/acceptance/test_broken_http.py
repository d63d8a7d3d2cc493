"""What only a socket can send."""

import json
import socket

import pytest

from tests.acceptance.server import RunningServer

CANARY = b"CANARY-5d81"
HEAD = (
    b"POST /sign/x/pkcs10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("broken-http"), workers=2) as running:
        yield running
    running.check_signed_is_recorded()


def exchange(server, raw: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "body",
    [b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\n{}", b"-1\r\n{}\r\n0\r\n\r\n", b"2\r\n{}XX0\r\n\r\n", b""],
    ids=["size is no number", "cut off", "negative size", "no end of chunk", "nothing"],
)
def test_a_broken_chunked_body_is_refused_and_the_connection_closed(server, body):
    follower = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = exchange(server, HEAD + body + (follower if b"zz" in body else b""))

    assert b" 500 " not in answer.split(b"\r\n", 1)[0]
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1, "what follows a broken body is not a request"


def test_both_lengths_at_once_are_refused(server):
    raw = (
        b"POST /sign/x/pkcs10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert exchange(server, raw).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"garbage\r\n\r\n", 400),
        (b"GET //ca HTTP/1.1\r\nHost: x\r\n\r\n", 404),
        (b"GET /ca HTTP/9.9\r\n\r\n", 400),
        (b"get /ca HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /ca HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"POST /user HTTP/1.1\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ", 400),
        (b"POST /user HTTP/1.1\r\nContent-Length: -2\r\n\r\n{}", 400),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /ca HTTP/1.1\r\n" + b"X-A: a\r\n" * 100 + b"\r\n", 431),
        (b"GET /ca HTTP/1.1\r\nX-A: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"POST /user HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n{}", 501),
        (b"POST /user HTTP/1.1\r\nContent-Length: 2\r\nExpect: money\r\n\r\n{}", 417),
    ],
    ids=lambda value: ascii(value[:60]) if isinstance(value, bytes) else str(value),
)
def test_what_is_no_http_is_answered_in_json_like_everything_else(server, raw, status):
    head, _, body = exchange(server, raw).partition(b"\r\n\r\n")

    assert head.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Content-Type: application/json" in head
    assert set(json.loads(body)) == {"message", "status"}
    assert json.loads(body)["status"] == status


@pytest.mark.parametrize(
    "raw",
    [
        b'POST /sign/x/pkcs10 HTTP/1.1\r\nContent-Length: 1\r\n\r\n{"passwd": "%b",\r\n}',
        b'{"passwd": "%b"}\r\n\r\n',
        b"GET /ca HTTP/1.1\r\nAuthorization : Bearer %b\r\n\r\n",
        b"GET /ca HTTP/1.1\r\nAuthorization: Bearer %b\0\r\n\r\n",
        b"GET /ca HTTP/1.1\r\n Authorization: Bearer %b\r\n\r\n",
        b"POST /user HTTP/1.1\r\nTransfer-Encoding: %b\r\n\r\n{}",
        HEAD + b"%b\r\n{}\r\n",
    ],
    ids=lambda raw: ascii(raw[:60]),
)
def test_a_secret_in_what_is_no_http_is_in_no_log_and_no_answer(server, raw):
    """A62: a body that is longer than its length says goes on as the next request line."""
    answer = exchange(server, raw % CANARY)

    assert b"400" in answer or b"501" in answer
    assert CANARY not in answer
    assert CANARY.decode() not in server.log


def test_what_is_no_http_is_logged_as_one_request_with_its_address(server):
    before = len(server.log.splitlines())

    exchange(server, b"garbage\r\n\r\n")

    (line,) = (json.loads(line) for line in server.log.splitlines()[before:])
    assert {key: line[key] for key in ("logger", "status", "address", "outcome")} == {
        "logger": "midca.request",
        "status": 400,
        "address": "127.0.0.1",
        "outcome": "InvalidRequestLine",
    }
