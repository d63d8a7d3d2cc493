"""What ends a server or a part of it, while it works (F25)."""

import fcntl
import http.client
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.acceptance.server import PASSWORD
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


def send(server, username: str, request: str) -> socket.socket:
    """Send a request for a certificate; when this returns it is in the server's receive queue."""
    body = json.dumps({"passwd": PASSWORD, "certificate": request})
    head = (
        f"POST /sign/{username}/pkcs10 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
    return connection


def wait_until_read(server, connections: list[socket.socket]) -> None:
    """Wait until the server has taken these requests out of its receive queues, and so is at them."""
    ours = {connection.getsockname()[1] for connection in connections}
    deadline = time.monotonic() + 60
    while ours - read_by(server.port):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.02)


def read_by(port: int) -> set[int]:
    """Return the clients' ports of connections of which a server on ``port`` has read all (proc_net(5))."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ends = [(fields[1], fields[2], fields[4]) for fields in lines]
    return {port_of(peer) for own, peer, queues in ends if port_of(own) == port and int(queues.split(":")[1], 16) == 0}


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def status_of(connection: socket.socket) -> int:
    with connection, connection.makefile("rb") as answer:
        return int(answer.readline().split()[1])


def test_sigterm_lets_requests_in_flight_finish_and_ends_with_0(server, requests):
    names = [f"device{number}" for number in range(len(requests))]
    for name in names:
        assert server.register(name).status == 200

    with writers_held_up(server):
        in_flight = [send(server, name, request) for name, request in zip(names, requests, strict=True)]
        wait_until_read(server, in_flight)
        server.terminate()
        wait_until_refused(server)
        assert server.process.poll() is None
    statuses = [status_of(connection) for connection in in_flight]

    assert server.wait() == 0
    assert statuses == [200] * len(names)
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]


def test_sighup_lets_requests_in_flight_finish_in_the_workers_that_began_them(server, requests):
    before = set(server.workers())
    names = [f"device{number}" for number in range(len(requests))]
    for name in names:
        assert server.register(name).status == 200

    with writers_held_up(server):
        in_flight = [send(server, name, request) for name, request in zip(names, requests, strict=True)]
        wait_until_read(server, in_flight)
        server.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while len(set(server.workers()) - before) < len(before):
            assert time.monotonic() < deadline, server.log
            time.sleep(0.05)
    statuses = [status_of(connection) for connection in in_flight]

    assert statuses == [200] * len(names)
    assert server.get("/health").status == 200


def test_sigterm_with_nothing_to_do_ends_before_the_time_requests_get_with_0(server):
    server.terminate()

    assert server.wait(timeout=25) == 0  # requests in flight get 30 seconds


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

    with writers_held_up(server):
        in_flight = send(server, "f60c28", requests[0])
        wait_until_read(server, [in_flight])
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
        with in_flight, suppress(ConnectionResetError):
            assert in_flight.recv(1) == b""
    server.wait_until_healthy()

    assert server.sign("f60c28", requests[1]).status == 200
    assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]


def test_workers_whose_master_was_killed_end_although_a_client_goes_on(server):
    """Or nobody could start it again: they would keep the port."""
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    client.request("GET", "/health")
    client.getresponse().read()
    over = threading.Event()

    def go_on() -> None:
        with suppress(OSError, http.client.HTTPException):
            while not over.wait(0.1):
                client.request("GET", "/health")
                client.getresponse().read()

    with ThreadPoolExecutor(1) as pool:
        going_on = pool.submit(go_on)
        server.process.kill()
        server.process.wait()
        wait_until_refused(server)
        over.set()
        going_on.result()
    client.close()
