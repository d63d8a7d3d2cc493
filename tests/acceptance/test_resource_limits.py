"""Too few files, too little memory, a killed worker: the server does less, and nothing wrong (F29)."""

import os
import resource
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.server import MIDCA, NO_ANSWER, PASSWORD
from tests.builders import csr, key, one_line
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
CHOSEN = "chosen by a person"  # so it takes 16 MiB to look at


@pytest.fixture(scope="module")
def requests() -> list[str]:
    return [one_line(csr(signing_key=key(number))) for number in range(12)]


def add(server, username: str, password: str) -> None:
    """Register an end entity in a process of its own, so that the workers stay as they are."""
    done = run(
        MIDCA,
        "entity",
        "add",
        username,
        "--password-file",
        "-",
        env=server.environment,
        cwd=server.base,
        input=password,
    )
    assert done.returncode == 0, done.stderr


def limit(server, kind: int, of: dict[int, int]) -> None:
    for worker, value in of.items():
        resource.prlimit(worker, kind, (value, resource.RLIM_INFINITY))


def status_of_signing(server, username: str, request: str, password: str = PASSWORD) -> int | None:
    """None where the connection was refused or cut."""
    try:
        return server.sign(username, request, password).status
    except NO_ANSWER:
        return None


def test_with_too_few_files_requests_are_refused_or_answered_and_no_worker_ends(make_server, requests):
    """More threads than have files; the oracle would need one as well."""
    server = make_server(workers=2, oracle=False)
    server.environment["MIDCA_THREADS"] = "14"
    server.program = [require_tool("prlimit"), "--nofile=64", *server.program]
    with server:
        names = [f"device{number}" for number in range(len(requests))]
        assert {server.register(name).status for name in names} == {200}
        server.wait_for(lambda: len(server.workers()) == 2)
        workers = server.workers()
        held = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(50)]
        with ThreadPoolExecutor(len(names)) as pool:
            crowded = set(pool.map(status_of_signing, [server] * len(names), names, requests))
        for connection in held:
            connection.close()
        afterwards = {server.sign(name, request).status for name, request in zip(names, requests, strict=True)}

        assert crowded <= {200, 503, None}
        assert afterwards == {200}
        assert server.workers() == workers
        assert "unexpected error" not in server.log
        assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]


def test_without_memory_for_a_password_it_is_not_looked_at_and_not_counted(make_server, requests):
    server = make_server(workers=2)
    server.environment["MALLOC_ARENA_MAX"] = "1"  # so that what a worker has mapped is what it uses
    with server:
        add(server, "chosen", CHOSEN)
        add(server, "random", PASSWORD)
        limit(server, resource.RLIMIT_AS, {worker: mapped(worker) + 4 * 2**20 for worker in server.workers()})
        guesses = {server.sign("chosen", requests[0], f"guess {number}").status for number in range(8)}
        others = {server.get("/ca/IOTmidCA").status for _ in range(8)}
        another = server.sign("random", requests[1]).status
        limit(server, resource.RLIMIT_AS, dict.fromkeys(server.workers(), resource.RLIM_INFINITY))

        assert guesses == {503}
        assert others == {200}
        assert another == 200
        assert server.sql("SELECT * FROM password_failures") == []
        assert server.sign("chosen", requests[0], CHOSEN).status == 200


def mapped(process: int) -> int:
    return int(Path(f"/proc/{process}/statm").read_text().split()[0]) * resource.getpagesize()


def test_server_that_cannot_have_its_threads_does_not_start(make_server):
    server = make_server(oracle=False)
    server.environment["MIDCA_THREADS"] = "256"
    server.program = [require_tool("prlimit"), f"--as={600 * 2**20}", *server.program]
    server.start(wait=False)

    assert server.wait() != 0
    assert "can't start new thread" in server.log


def test_workers_that_are_killed_again_and_again_are_replaced_and_nothing_is_lost(make_server, requests):
    """As the kernel does when memory runs out."""
    with make_server(workers=2) as server:
        names = [f"device{number}" for number in range(len(requests))]
        assert {server.register(name).status for name in names} == {200}
        with ThreadPoolExecutor(2) as pool:
            answers = [pool.submit(status_of_signing, server, *each) for each in zip(names, requests, strict=True)]
            for _ in range(4):
                os.kill(max(server.workers()), signal.SIGKILL)
                time.sleep(0.1)
            crowded = {answer.result() for answer in answers}
        server.wait_until_healthy()
        afterwards = {server.sign(name, request).status for name, request in zip(names, requests, strict=True)}

        assert crowded <= {200, None}
        assert afterwards == {200}
        assert server.sql("SELECT DISTINCT state FROM certificates") == [("issued",)]
        assert len(server.sql("SELECT username FROM certificates WHERE certificate_type = 1")) == len(names)
        server.verify_audit_log()
