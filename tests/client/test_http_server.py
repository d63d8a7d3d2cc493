import dataclasses
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from app.client.errors import BadAnswer, ClientError, FileTrouble, Refused, Unreachable
from app.client.http_server import HttpServer

SOON = 0.3  # seconds


@contextmanager
def serving(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """Answer one connection; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


def sending(*parts: bytes, pause: float = 0):
    def send(connection: socket.socket) -> None:
        connection.recv(65536)
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)

    return send


def http(body: bytes, status: str = "200 OK", length: int | None = None, headers: str = "") -> bytes:
    length = len(body) if length is None else length
    return f"HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n".encode() + body


def until_closed(connection: socket.socket) -> None:
    """Say nothing until the client goes."""
    while connection.recv(65536):
        pass


def asked(answer: Callable[[socket.socket], None], scheme: str = "http", **bounds):
    with serving(answer) as port:
        return dataclasses.replace(HttpServer.at(f"{scheme}://127.0.0.1:{port}"), **bounds).json("GET", "/x")


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("dojot.example", "https://dojot.example:443"),
        ("https://dojot.example:8443/", "https://dojot.example:8443"),
        ("http://[::1]:8000/prefix/", "http://[::1]:8000/prefix"),
    ],
)
def test_a_url_may_leave_out_what_goes_without_saying(url, base):
    assert HttpServer.at(url).url == base


@pytest.mark.parametrize(
    "url", ["", "ftp://x", "http://", "http://u:secret@x", "x?y=z", "x#y", "localhost:99999", "a b", "http://x\ny"]
)
def test_what_is_no_base_url_is_refused_without_saying_it_again(url):
    with pytest.raises(ClientError) as refused:
        HttpServer.at(url)

    assert str(refused.value) == "That is not the URL of a server."


def test_a_file_without_certificates_is_refused(tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")

    for name in ("ca.pem", "missing.pem"):
        with pytest.raises(FileTrouble, match=name):
            HttpServer.at("https://x", ca_file=tmp_path / name)


def test_an_answer_is_an_object():
    assert asked(sending(http(b'{"a": 1}'))) == {"a": 1}


@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused(body):
    with pytest.raises(BadAnswer):
        asked(sending(http(body)))


def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one():
    with pytest.raises(Unreachable):
        asked(sending(http(b'{"a": 1}', length=100)))


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000])
def test_what_is_no_http_is_no_answer(answer):
    with pytest.raises(Unreachable):
        asked(sending(answer))


def test_an_answer_that_is_too_long_is_not_read():
    with pytest.raises(BadAnswer, match="more than 1000 bytes"):
        asked(sending(http(b" " * 1001)), max_bytes=1000)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_server_that_says_nothing_is_left(scheme):
    with pytest.raises(Unreachable, match="not complete after"):
        asked(until_closed, scheme, max_seconds=SOON)


def test_a_server_that_says_a_letter_at_a_time_is_left():
    letters = [letter.to_bytes() for letter in http(b" " * 1000)]

    with pytest.raises(Unreachable, match="not complete after"):
        asked(sending(*letters, pause=0.01), max_seconds=SOON)


def test_a_port_where_nobody_listens_is_told_as_such():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(Unreachable, match="nobody listens there"):
        HttpServer.at(f"http://127.0.0.1:{port}").json("GET", "/x")


def test_a_host_that_does_not_exist_is_told_as_such():
    with pytest.raises(Unreachable, match="no host of that name"):
        HttpServer.at("http://nowhere.invalid").json("GET", "/x")


def test_plain_http_where_tls_is_expected_is_told_as_such():
    with pytest.raises(Unreachable, match="does not speak TLS") as told:
        asked(sending(http(b"{}")), "https")

    assert told.value.advice == "Is it http:// there?"


def test_a_servers_words_are_shown_on_one_short_line_without_control_characters():
    message = {"message": "no\x1b[2J\r\n\N{RIGHT-TO-LEFT OVERRIDE}" + "x" * 1000}

    with pytest.raises(Refused) as refused:
        asked(sending(http(json.dumps(message).encode(), "400 Bad")))

    said = str(refused.value)
    assert "no [2J xxx" in said
    assert said.isprintable()
    assert len(said) < 400


@pytest.mark.parametrize(
    ("status", "headers", "advice"),
    [
        (401, "", "Log in (again)"),
        (403, "", "may not do that"),
        (429, "Retry-After: 7\r\n", "Try again in 7 seconds."),
        (503, "", "Try again later."),
        (599, "", ""),
    ],
)
def test_a_refusal_says_what_to_do(status, headers, advice):
    with pytest.raises(Refused) as refused:
        asked(sending(http(b"{}", f"{status} No", headers=headers)))

    assert refused.value.status == status
    assert advice in refused.value.advice


def test_a_token_goes_into_the_header_and_only_there():
    seen = []

    def answer(connection: socket.socket) -> None:
        seen.append(connection.recv(65536).decode())
        connection.sendall(http(b"{}"))

    with serving(answer) as port:
        HttpServer.at(f"http://127.0.0.1:{port}/prefix").json("GET", "/x", token="t0ken")

    assert seen[0].startswith("GET /prefix/x HTTP/1.1\r\n")
    assert seen[0].count("t0ken") == seen[0].count("Authorization: Bearer t0ken\r\n") == 1
