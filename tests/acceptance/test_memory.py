"""How much memory the workers keep."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.builders import csr, one_line

DEVICES = 20


def resident_megabytes(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096 / 1e6


@pytest.mark.slow
def test_a_worker_gives_back_what_stretching_a_password_took(make_server):
    """16 MiB a password: anyone may guess, and 8 threads must not each keep that much for good."""
    names = [f"device{number}" for number in range(DEVICES)]
    request = one_line(csr())
    with make_server(workers=2) as server, ThreadPoolExecutor(DEVICES) as pool:
        assert {server.register(name, "chosen by a person").status for name in names} == {200}
        for _ in range(2):
            guesses = pool.map(lambda name: server.sign(name, request, "guessed by another"), names)
            assert {answer.status for answer in guesses} == {400}

        assert max(resident_megabytes(worker) for worker in server.workers()) < 90
