"""Measures revocation at scale: acts per second beside many that are revoked, and what a large list costs.

The certificates on the lists are rows alone: nothing of them but serial, dates and reason reaches a list.
"""

from __future__ import annotations

import resource
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from sqlite_utils.utils import sqlite3

from app.bootstrap import open_services
from app.operations.actor import SYSTEM
from app.pki.revocation import RevocationReason
from app.settings import Settings
from app.store.times import to_text
from bench.installation import ISSUER, Installation, environment
from bench.load import LoadClient
from bench.plan import REVOKING_CONNECTIONS, Plan
from bench.raw_limit import RawCommits
from bench.server import Server

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
    lists: list[ListCost]


def measure_revocation(directory: Path, plan: Plan) -> RevocationResult:
    """Revoke over HTTP beside many that are revoked, then issue lists of the plan's sizes."""
    raw = RawCommits(directory / "scratch.sqlite")
    commits = [raw.commits_per_second(plan.raw_seconds) for _ in range(plan.rounds)]
    rates, listed_after = _rates(directory / "rates", plan)
    lists = [_list_cost(directory / f"list{size}", size) for size in plan.list_sizes]
    return RevocationResult(
        plan.already_revoked, statistics.median(commits), rates, statistics.median(rates), listed_after, lists
    )


def _rates(directory: Path, plan: Plan) -> tuple[list[float], float]:
    installation = Installation.create(directory, _CA_KEY)
    _fill(installation.settings, plan.already_revoked, revoked=True)
    serials = iter(_fill(installation.settings, plan.devices * plan.rounds, revoked=False))
    token, rates = installation.settings.admin_token.read_text().strip(), []
    with LoadClient() as client, Server(directory) as server:
        for _ in range(plan.rounds):
            requests = [_request(next(serials), token) for _ in range(plan.devices)]
            burst = client.burst(server.port, requests, REVOKING_CONNECTIONS)
            burst.expect(HTTPStatus.OK)
            rates.append(len(requests) / burst.seconds)
        ended = time.perf_counter()
        while _behind(installation):
            time.sleep(0.05)
        listed_after = time.perf_counter() - ended
    installation.services.database.close()
    return rates, listed_after


def _behind(installation: Installation) -> bool:
    """Return whether the newest list misses a revocation."""
    authority = installation.services.authorities.named(ISSUER)
    lists = installation.services.revocation_lists
    return lists.latest(authority).revision < lists.store.revision(ISSUER)


def _request(serial: str, token: str) -> bytes:
    return _HEAD.format(ca=ISSUER, serial=serial, token=token).encode()


def _list_cost(directory: Path, size: int) -> ListCost:
    installation = Installation.create(directory, _CA_KEY)
    _fill(installation.settings, size, revoked=True)
    installation.services.database.close()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_issue, directory, size).result()


def _issue(directory: Path, size: int) -> ListCost:
    services = open_services(Settings.from_environment(environment(directory))).services
    authority, base = services.authorities.named(ISSUER), _peak()
    started = time.perf_counter()
    stored = services.revocation_lists.issue(authority, SYSTEM)
    seconds = time.perf_counter() - started
    return ListCost(size, seconds, base, _peak(), len(stored.crl) / 1e6)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def _fill(settings: Settings, count: int, *, revoked: bool) -> list[str]:
    """Write so many certificates of the issuer as rows, behind the server's back; return their serials."""
    serials = [f"{secrets.randbits(158) | 1 << 157:X}" for _ in range(count)]
    connection = sqlite3.connect(settings.database)
    try:
        with connection:
            for row in _rows(serials, revoked=revoked):
                names, values = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO certificates ({names}) VALUES ({values})", tuple(row.values()))  # noqa: S608 -- the names of _rows
            if revoked:
                connection.execute("INSERT OR REPLACE INTO revocation_revisions VALUES (?, ?)", (ISSUER, count))
    finally:
        connection.close()
    return serials


def _rows(serials: Sequence[str], *, revoked: bool) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    begun, end = to_text(now), to_text(now + timedelta(days=700))
    for number, serial in enumerate(serials, start=1):
        yield {
            "ca_name": ISSUER,
            "serial": serial,
            "state": "issued",
            "certificate_type": 1,
            "username": f"row{serial}",
            "subject_dn": f"CN=row{serial}",
            "tbs_sha256": serial,
            "public_key_sha256": serial,
            "certificate_profile": "CFREE",
            "profile_sha256": "",
            "not_before": begun,
            "not_after": end,
            "created_at": begun,
            "revoked_at": begun if revoked else None,
            "revocation_reason": int(RevocationReason.KEYCOMPROMISE if revoked else RevocationReason.NOTREVOKED),
            "revocation_revision": number if revoked else 0,
        }
