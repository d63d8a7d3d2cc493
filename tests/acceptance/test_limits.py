"""What is too long is refused for its length before it is parsed: the longest that is not, and the shortest that is."""

import json
import sys

import pytest

from tests.acceptance.test_broken_http import exchange

GET = b"GET /health HTTP/1.1\r\n"
MAX_LINE, MAX_HEADERS, MAX_HEADER, MAX_HEAD, MAX_BODY = 2048, 64, 8190, 32 * 1024, 64 * 1024


def padded(prefix: bytes, length: int, suffix: bytes = b"") -> bytes:
    return prefix + b"a" * (length - len(prefix) - len(suffix)) + suffix


def line(length: int) -> bytes:
    return padded(b"GET /health?", length, b" HTTP/1.1") + b"\r\n\r\n"


def headers(number: int) -> bytes:
    return GET + b"X-A: a\r\n" * number + b"\r\n"


def header(length: int) -> bytes:
    return GET + padded(b"X-A: ", length - 2) + b"\r\n\r\n"


def head(length: int) -> bytes:
    """Of that many octets without the ends of its last line and of itself."""
    full, rest = divmod(length - len(GET), 4096)
    return GET + (padded(b"X-A: ", 4094) + b"\r\n") * full + padded(b"X-B: ", rest) + b"\r\n\r\n"


def body(length: int) -> bytes:
    fields = b"Host: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length
    return b"POST /sign/x/pkcs10 HTTP/1.1\r\n" + fields + b" " * length


def nested(depth: int) -> bytes:
    content = b'{"a": ' + b"[" * depth + b"]" * depth + b"}"
    return body(len(content))[: -len(content)] + content


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (line(MAX_LINE), 200),
        (line(MAX_LINE + 1), 414),
        (line(1_000_000), 414),
        (headers(MAX_HEADERS), 200),
        (headers(MAX_HEADERS + 1), 431),
        (header(MAX_HEADER), 200),
        (header(MAX_HEADER + 1), 431),
        (head(MAX_HEAD), 200),
        (head(MAX_HEAD + 1), 431),
        (head(MAX_HEAD + 100_000), 431),
        (body(MAX_BODY), 400),
        (body(MAX_BODY + 1), 413),
        (body(10_000_000), 413),
    ],
    ids=lambda value: f"{value[:24].decode()} {len(value)}" if isinstance(value, bytes) else str(value),
)
def test_what_is_too_long_is_refused(shared_server, raw, status):
    answer = exchange(shared_server, raw)

    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert b"Traceback" not in answer


@pytest.mark.parametrize("depth", [20, 30_000])
def test_body_of_any_depth_is_read_or_refused(shared_server, depth):
    """How deep is too deep is for Python to say: a thousand, or as of 3.14 what its stack holds."""
    _, _, content = exchange(shared_server, nested(depth)).partition(b"\r\n\r\n")

    refused = "malformed JSON" if depth > 20 and sys.version_info < (3, 14) else "Missing parameter"
    assert json.loads(content)["message"].startswith(refused)
