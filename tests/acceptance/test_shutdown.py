"""What ends a server or a part of it, while it works."""

import fcntl
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from tests.builders import csr, key, one_line

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def requests() -> list[str]:
    return [one_line(csr(signing_key=key(number))) for number in range(4)]


@contextmanager
def writers_held_up(server) -> Iterator[None]:
    """Hold the lock that writers queue at, so that every signing request inside the block stays in flight."""
    with server.database.with_name("midca.sqlite.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def wait_until_refused(server) -> None:
    """Wait until who connects to the server that is ending is told so at once."""
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", server.port), timeout=5).close()
        except ConnectionError:
            return
        assert time.monotonic() < deadline, "clients are let in and left to wait"
        time.sleep(0.05)


def test_sigterm_lets_requests_in_flight_finish_and_ends_with_0(server, requests):
    names = [f"device{number}" for number in range(len(requests))]
    for name in names:
        assert server.register(name).status == 200

    with ThreadPoolExecutor(len(names)) as pool:
        with writers_held_up(server):
            answers = pool.map(server.sign, names, requests)
            time.sleep(1)  # until all have arrived and wait
            server.terminate()
            wait_until_refused(server)
            assert server.process.poll() is None
        statuses = [answer.status for answer in answers]

    assert server.wait() == 0
    assert statuses == [200] * len(names)
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]


def test_sighup_lets_requests_in_flight_finish_in_the_workers_that_began_them(server, requests):
    before = set(server.workers())
    for number in range(len(requests)):
        assert server.register(f"device{number}").status == 200

    with ThreadPoolExecutor(len(requests)) as pool:
        with writers_held_up(server):
            answers = [pool.submit(server.sign, f"device{number}", request) for number, request in enumerate(requests)]
            time.sleep(1)  # until all have arrived and wait
            server.process.send_signal(signal.SIGHUP)
            deadline = time.monotonic() + 20
            while len(set(server.workers()) - before) < len(before):
                assert time.monotonic() < deadline, server.log
                time.sleep(0.05)
        statuses = [answer.result().status for answer in answers]

    assert statuses == [200] * len(requests)
    assert server.get("/health").status == 200


def test_sigterm_with_nothing_to_do_ends_at_once_with_0(server):
    began = time.monotonic()

    assert server.stop() == 0
    assert time.monotonic() - began < 5


def test_when_one_worker_is_killed_the_others_serve_and_it_is_replaced(server, requests):
    before = server.workers()
    assert server.register("f60c28").status == 200

    os.kill(before[0], signal.SIGKILL)
    answers = [server.get("/health").status for _ in range(20)]
    signed = server.sign("f60c28", requests[0])

    assert answers == [200] * 20
    assert signed.status == 200
    deadline = time.monotonic() + 10
    while len(server.workers()) < len(before) or before[0] in server.workers():
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)


def test_a_worker_killed_in_flight_spends_no_password_and_leaves_nothing_pending(server, requests):
    assert server.register("f60c28").status == 200

    with ThreadPoolExecutor(1) as pool:
        with writers_held_up(server):
            unanswered = pool.submit(server.sign, "f60c28", requests[0])
            time.sleep(0.5)
            for worker in server.workers():
                os.kill(worker, signal.SIGKILL)
            assert unanswered.exception(timeout=10) is not None
        server.wait_until_healthy()

    assert server.sign("f60c28", requests[1]).status == 200
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]
