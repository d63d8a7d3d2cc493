"""What only a socket can send."""

import socket

import pytest


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
    head = (
        b"POST /sign/x/pkcs10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    follower = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"

    answer = exchange(server, head + body + (follower if b"zz" in body else b""))

    assert b" 500 " not in answer.split(b"\r\n", 1)[0]
    assert answer.startswith(b"HTTP/1.1 400")
    assert answer.count(b"HTTP/1.1") == 1, "what follows a broken body is not a request"


def test_both_lengths_at_once_are_refused(server):
    raw = (
        b"POST /sign/x/pkcs10 HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    )
    assert exchange(server, raw).startswith(b"HTTP/1.1 400")
