"""What ends a server or a part of it, while it works."""

import fcntl
import os
import signal
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


def test_sigterm_lets_requests_in_flight_finish_and_ends_with_0(server, requests):
    names = [f"device{number}" for number in range(len(requests))]
    for name in names:
        assert server.register(name).status == 200

    with ThreadPoolExecutor(len(names)) as pool:
        with writers_held_up(server):
            answers = pool.map(server.sign, names, requests)
            time.sleep(1)  # until all have arrived and wait
            server.terminate()
            time.sleep(0.5)
            assert server.process.poll() is None
        statuses = [answer.status for answer in answers]

    assert server.wait() == 0
    assert statuses == [200] * len(names)
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]


def test_sigterm_with_nothing_to_do_ends_at_once_with_0(server):
    """One of three, as a busy machine may take longer now and then; a request in flight has 30 seconds."""

    def seconds() -> float:
        if server.process is None:
            server.start()
        began = time.monotonic()
        assert server.stop() == 0
        return time.monotonic() - began

    assert any(seconds() < 5 for _ in range(3))


def test_when_one_worker_is_killed_the_others_serve_and_it_is_replaced(server, requests):
    before = server.workers()
    assert server.register("f60c28").status == 200

    os.kill(before[0], signal.SIGKILL)
    answers = [server.get("/health").status for _ in range(20)]
    signed = server.sign("f60c28", requests[0])

    assert answers == [200] * 20
    assert signed.status == 200
    deadline = time.monotonic() + 60
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
            assert unanswered.exception(timeout=60) is not None
        server.wait_until_healthy()

    assert server.sign("f60c28", requests[1]).status == 200
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]
