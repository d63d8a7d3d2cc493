"""``/metrics`` of a server with several workers."""

import os
import signal
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.frontends.test_metrics import read

pytestmark = pytest.mark.slow
ROUTE = ("midca_http_request_duration_seconds_count", "GET", "/ca/<name>", "2xx")


def scrape(server) -> dict:
    request = urllib.request.Request(
        f"http://127.0.0.1:{server.port}/metrics", headers={"Authorization": f"Bearer {server.admin_token}"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return read(answer.read().decode())


def test_counts_of_all_workers_add_up_and_those_of_a_dead_one_stay(server):
    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(answer.status for answer in pool.map(lambda _: server.get("/ca/IOTmidCA"), range(200)))

    assert statuses == {200: 200}
    assert [scrape(server)[ROUTE] for _ in range(8)] == [200] * 8  # whichever worker answers

    ended = server.workers()[0]
    os.kill(ended, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while ended in server.workers():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    server.get("/ca/IOTmidCA")
    assert scrape(server)[ROUTE] == 201


def test_what_the_workers_share_is_gone_when_the_server_ends(server):
    environment = Path(f"/proc/{server.workers()[0]}/environ")
    assert environment.exists()
    maps = Path(f"/proc/{server.workers()[0]}/maps")
    for _ in range(40):
        server.get("/health")
    folder = next(Path(part).parent for part in maps.read_text().split() if "midca-metrics-" in part)
    assert folder.exists()

    server.stop()

    assert not folder.exists()
