"""What a million certificates, end entities and audit entries cost enrolments, searches and lists; bulk registration.

The CA keys are P-256, so that the signature hides nothing of the database.
"""

from __future__ import annotations

import csv
import http.client
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Final

from app.operations.enrolment_password import random_password
from app.pki.end_entity import EndEntityStatus
from app.store.certificate_search import CertificateSearch, Condition
from bench.devices import Device
from bench.installation import ISSUER, Installation, environment
from bench.load import Burst, LoadClient
from bench.plan import Plan
from bench.revocation import ListCost, behind, list_cost, revocation
from bench.server import Server
from bench.stock import add_certificates, add_holders, holder

_CA_KEY: Final = "P-256"
_CONNECTIONS: Final = 8
_SEARCHES: Final = 20
_PAGE: Final = 100
_USERS: Final = 400
"""End entities in a request."""


@dataclass(frozen=True)
class Enrolments:
    """What came of some bursts: certificates/s, and milliseconds."""

    rate: float
    p50: float
    p99: float

    @classmethod
    def of(cls, bursts: Sequence[Burst]) -> Enrolments:
        """Return what came of all of them together."""
        latencies = [latency for burst in bursts for latency in burst.latencies]
        percentiles = statistics.quantiles(latencies, n=100, method="inclusive")
        return cls(len(latencies) / sum(burst.seconds for burst in bursts), percentiles[49], percentiles[98])


@dataclass(frozen=True)
class ScaleResult:
    """``rates`` are enrolments/s beside ``stock_before`` and ``stock`` of each kind, round by round.

    ``ratio_median`` is that of one to the other. ``beside_list`` is from a revocation to the list of all that shows it,
    ``listed_after`` seconds later; ``quiet`` is without. ``searches`` are milliseconds by what is looked for.
    ``imported`` and ``posted`` are seconds, for ``registered`` end entities each, by ``midca entity import`` and by
    ``POST /users``.
    """

    stock_before: int
    stock: int
    rates_before: list[float]
    rates: list[float]
    ratio_median: float
    cold_start: float
    list: ListCost
    quiet: Enrolments
    beside_list: Enrolments
    listed_after: float
    searches: dict[str, float]
    registered: int
    imported: float
    posted: float


def measure_scale(directory: Path, plan: Plan, devices: Sequence[Device]) -> ScaleResult:
    """Fill two installations and put the same questions to both, in turn."""
    few, many = (Installation.create(directory / name, _CA_KEY) for name in ("few", "many"))
    add_holders(few.settings, add_certificates(few.settings, plan.stock_before, revoked=False))
    serials = add_certificates(many.settings, plan.stock, revoked=True)
    add_holders(many.settings, serials)
    many.services.checkpoints.write()  # else the first start would do it for all entries at once
    cost = list_cost(directory / "many", plan.stock)
    searches = _searches(many, serials[len(serials) // 2])
    for installation in (few, many):
        installation.register(devices)
    bursts: tuple[list[Burst], list[Burst]] = ([], [])
    with LoadClient() as client, Server(directory / "few") as other, Server(directory / "many") as server:
        for _ in range(2 * plan.rounds + 1):
            bursts[0].append(_enrol(client, other, few, devices))
            bursts[1].append(_enrol(client, server, many, devices))
        _revoke_one(client, server, many)
        started, beside = time.perf_counter(), []
        while not beside or behind(many):
            beside.append(_enrol(client, server, many, devices))
        listed_after = time.perf_counter() - started
        posted = _posted(other, few, plan.registered)
    imported = _imported(directory / "few", plan.registered)
    for installation in (few, many):
        installation.services.database.close()
    # The first burst of each let every thread open its connections.
    before, rates = ([len(devices) / burst.seconds for burst in each[1:]] for each in bursts)
    return ScaleResult(
        plan.stock_before,
        plan.stock,
        before,
        rates,
        statistics.median(rate / other for rate, other in zip(rates, before, strict=True)),
        server.started_in,
        cost,
        Enrolments.of(bursts[1][1:]),
        Enrolments.of(beside),
        listed_after,
        searches,
        plan.registered,
        imported,
        posted,
    )


def _enrol(client: LoadClient, server: Server, installation: Installation, devices: Sequence[Device]) -> Burst:
    burst = client.burst(server.port, [device.enrolment() for device in devices], _CONNECTIONS)
    burst.expect(HTTPStatus.OK)
    installation.rearm(devices)
    return burst


def _revoke_one(client: LoadClient, server: Server, installation: Installation) -> None:
    (serial,) = add_certificates(installation.settings, 1, revoked=False)
    token = installation.settings.admin_token.read_text().strip()
    client.burst(server.port, [revocation(serial, token)], 1).expect(HTTPStatus.OK)


def _searches(installation: Installation, serial: str) -> dict[str, float]:
    """Return the median milliseconds of what operators and front ends look for, from the store."""
    services = installation.services
    now, database = services.revocation.now(), services.database
    entities, name = services.end_entities.store, holder(serial)

    def certificates(**wanted: object) -> Callable[[], object]:
        return lambda: CertificateSearch(**wanted).run(database, now, _PAGE)  # type: ignore[arg-type]

    return {
        what: _milliseconds(look)
        for what, look in {
            "an end entity by name": lambda: entities.find(name),
            "100 end entities behind a name": lambda: entities.page(after=name, limit=_PAGE),
            "100 end entities of a state": lambda: entities.page(
                after=name, limit=_PAGE, status=EndEntityStatus.GENERATED
            ),
            "an end entity by its subject": lambda: entities.holder_of_subject(ISSUER, f"CN={name}", other_than=""),
            "a certificate by serial": lambda: services.certificates.find_serial(serial),
            "certificates by the beginning of the serial": certificates(serial=serial[:8]),
            "certificates of an end entity": certificates(entity=name),
            "the newest 100 certificates": certificates(),
            "the newest 100 of a CA": certificates(ca_name=ISSUER),
            "the newest 100 that are revoked": certificates(condition=Condition.REVOKED),
            "100 that end within 800 days": certificates(ends_before=now + timedelta(days=800)),
        }.items()
    }


def _milliseconds(act: Callable[[], object]) -> float:
    times = []
    for _ in range(_SEARCHES):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def _posted(server: Server, installation: Installation, count: int) -> float:
    """Register over HTTP, one request after the other."""
    token = installation.settings.admin_token.read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    users = [{"username": f"posted{number}", "password": random_password()} for number in range(count)]
    bodies = [json.dumps({"users": users[begin : begin + _USERS]}) for begin in range(0, count, _USERS)]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    started = time.perf_counter()
    for body in bodies:
        connection.request("POST", "/users", body, headers)
        answer = json.loads(connection.getresponse().read())
        if {each["status"] for each in answer["users"]} != {HTTPStatus.OK}:
            raise RuntimeError("an end entity was refused")
    seconds = time.perf_counter() - started
    connection.close()
    return seconds


def _imported(directory: Path, count: int) -> float:
    """Register by the command, its start included."""
    file = directory / "devices.csv"
    with file.open("w", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(("name", "password"))
        writer.writerows((f"imported{number}", random_password()) for number in range(count))
    command = [Path(sys.executable).with_name("midca"), "entity", "import", file]
    started = time.perf_counter()
    subprocess.run(command, env=environment(directory), check=True, capture_output=True, cwd=directory)
    return time.perf_counter() - started
