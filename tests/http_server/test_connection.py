"""What becomes of an answer that its client does not take at once."""

import socket
import time
from types import SimpleNamespace

import pytest

from app.http_server import connection
from app.http_server.connection import Answering, Connection
from app.http_server.worker import PatientWorker

LONG = bytes(range(256)) * 16 * 1024  # 4 MiB, more than a socket takes


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.settimeout(0)
    with ours, theirs:
        yield ours, theirs


def answering(sock: socket.socket, *, room: bool) -> Answering:
    return Answering(sock, ("client", 1), ("server", 2), lambda: room)


def test_long_answer_is_kept_while_there_is_room_and_comes_whole(pair):
    ours, theirs = pair
    kept = answering(ours, room=True)
    kept.sendall(LONG)
    assert kept.kept

    taken = bytearray()
    while len(taken) < len(LONG):
        taken += theirs.recv(1 << 20)
        if kept.kept:
            try:
                kept.flush()
            except BlockingIOError:
                continue
    assert taken == LONG
    assert not kept.kept


def test_who_is_slow_with_a_long_answer_is_left_when_there_is_no_room(pair):
    left = answering(pair[0], room=False)

    with pytest.raises(ConnectionAbortedError):
        left.sendall(LONG)
    assert not left.kept


def test_who_takes_a_long_answer_at_once_needs_no_room(pair):
    answering(pair[0], room=False).sendall(LONG[: 64 * 1024])

    assert pair[1].recv(64 * 1024, socket.MSG_WAITALL) == LONG[: 64 * 1024]


def test_short_answer_is_kept_without_room(pair, monkeypatch):
    monkeypatch.setattr(connection, "_ALWAYS_KEPT", len(LONG))
    kept = answering(pair[0], room=False)
    kept.sendall(LONG)

    assert kept.kept


@pytest.mark.parametrize(("kept", "room"), [([], True), ([40, 23], True), ([40, 24], False), ([65], False)])
def test_there_is_room_until_so_much_waits_for_clients(kept, room):
    waiting = [SimpleNamespace(answering=SimpleNamespace(kept=range(size << 20))) for size in kept]

    assert PatientWorker._has_room(SimpleNamespace(_waiting=waiting)) is room


def test_time_that_an_answer_took_to_be_sent_is_not_taken_off_the_time_for_what_follows(pair):
    ours, theirs = pair
    waiting = Connection(ours, ("client", 1), ("server", 2), max_body=1024, has_room=lambda: True)
    waiting.answering.kept += b"the end of a long answer"
    waiting.since -= 50

    assert not waiting.look()
    assert theirs.recv(64) == b"the end of a long answer"
    assert not waiting.is_overdue(waiting.since + 1, idle=10, hurry=False)
    assert waiting.is_overdue(waiting.since + 11, idle=10, hurry=False)
    assert time.monotonic() - waiting.since < 50
