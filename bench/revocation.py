"""Measures revocation at scale: acts per second beside many that are revoked, and what a large list costs.

The certificates on the lists are rows alone (see ``bench/stock.py``).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from multiprocessing import get_context
from pathlib import Path
from typing import Final

from app.bootstrap import open_services
from app.operations.actor import SYSTEM
from app.settings import Settings
from bench.devices import Device
from bench.installation import ISSUER, Installation, environment
from bench.load import LoadClient
from bench.machine import peak_megabytes
from bench.plan import REVOKING_CONNECTIONS, Plan
from bench.raw_limit import RawCommits
from bench.server import Server
from bench.stock import add_certificates

_HEAD: Final = "DELETE /ca/{ca}/certificate/{serial} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n"
_CA_KEY: Final = "RSA-4096"


@dataclass(frozen=True)
class ListCost:
    """What one list took, from the database to the stored list, in a process that did nothing else.

    Megabytes are of 1 000 000 bytes; ``base_megabytes`` is what the process had before.
    """

    entries: int
    seconds: float
    base_megabytes: float
    peak_megabytes: float
    list_megabytes: float


@dataclass(frozen=True)
class RevocationResult:
    """``rates`` are revocations/s over HTTP, one a round; ``listed_after`` in seconds, from the last answer on."""

    already_revoked: int
    raw_commits_median: float
    rates: list[float]
    rate_median: float
    listed_after: float
    list: ListCost


def measure_revocation(directory: Path, plan: Plan, _devices: Sequence[Device]) -> RevocationResult:
    """Issue a list of those that are revoked already, and revoke over HTTP beside them."""
    directory.mkdir()
    raw = RawCommits(directory / "scratch.sqlite")
    commits = [raw.commits_per_second(plan.raw_seconds) for _ in range(plan.rounds)]
    cost, rates, listed_after = _rates(directory / "rates", plan)
    return RevocationResult(
        plan.already_revoked, statistics.median(commits), rates, statistics.median(rates), listed_after, cost
    )


def _rates(directory: Path, plan: Plan) -> tuple[ListCost, list[float], float]:
    installation = Installation.create(directory, _CA_KEY)
    add_certificates(installation.settings, plan.already_revoked, revoked=True)
    cost = list_cost(directory, plan.already_revoked)
    serials = iter(add_certificates(installation.settings, plan.devices * plan.rounds, revoked=False))
    token, rates = installation.settings.admin_token.read_text().strip(), []
    with LoadClient() as client, Server(directory) as server:
        for _ in range(plan.rounds):
            requests = [revocation(next(serials), token) for _ in range(plan.devices)]
            burst = client.burst(server.port, requests, REVOKING_CONNECTIONS)
            burst.expect(HTTPStatus.OK)
            rates.append(len(requests) / burst.seconds)
        ended = time.perf_counter()
        while behind(installation):
            time.sleep(0.05)
        listed_after = time.perf_counter() - ended
    installation.services.database.close()
    return cost, rates, listed_after


def behind(installation: Installation) -> bool:
    """Return whether the newest list misses a revocation."""
    authority = installation.services.authorities.named(ISSUER)
    lists = installation.services.revocation_lists
    return lists.latest(authority).revision < lists.store.revision(ISSUER)


def revocation(serial: str, token: str) -> bytes:
    """Return the HTTP request that revokes a certificate."""
    return _HEAD.format(ca=ISSUER, serial=serial, token=token).encode()


def list_cost(directory: Path, size: int) -> ListCost:
    """Issue a list of all that is revoked in the installation there, in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_issue, directory, size).result()


def _issue(directory: Path, size: int) -> ListCost:
    services = open_services(Settings.from_environment(environment(directory))).services
    authority, base = services.authorities.named(ISSUER), peak_megabytes()
    started = time.perf_counter()
    stored = services.revocation_lists.issue(authority, SYSTEM)
    seconds = time.perf_counter() - started
    return ListCost(size, seconds, base, peak_megabytes(), len(stored.crl) / 1e6)
