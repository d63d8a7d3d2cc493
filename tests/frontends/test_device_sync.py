"""The comparison with device-manager, step by step with a clock of its own."""

import pytest

from app.frontends.device_events.counters import Counters
from app.frontends.device_events.dojot_http import Dojot as Client
from app.frontends.device_events.sync import Sync
from tests.dojot import Dojot
from tests.frontends.test_dojot_services import configuration

HOUR = 3600.0


@pytest.fixture
def dojot():
    with Dojot() as running:
        yield running


@pytest.fixture
def counters() -> Counters:
    return Counters()


@pytest.fixture
def sync(dojot, installation, counters) -> Sync:
    where = configuration(dojot.url)
    return Sync(where, Client(where), installation.services, counters)


def run_through(sync: Sync, dojot: Dojot, now: float) -> None:
    """Take steps until the comparison is over, each a second after the other."""
    sync.step(now, lambda: list(dojot.devices))
    while sync.running:
        now += 1
        sync.step(now, lambda: list(dojot.devices))


def pages(dojot: Dojot) -> int:
    return sum(path.startswith("/device") for _, path in dojot.asked)


def test_a_comparison_takes_a_page_a_step_and_comes_again_after_the_interval(sync, dojot, counters):
    dojot.devices = {"admin": [f"{number:05x}" for number in range(45)], "acme": []}

    run_through(sync, dojot, 1.0)
    assert pages(dojot) == 3 + 1
    assert (counters.listed, counters.added_by_sync) == (45, 45)

    sync.step(HOUR, list)
    assert pages(dojot) == 4
    run_through(sync, dojot, 1.0 + HOUR)
    assert pages(dojot) == 8
    assert (counters.listed, counters.added_by_sync) == (90, 45)


def test_a_tenant_that_comes_during_a_comparison_has_one_of_its_own_right_after(sync, dojot, counters):
    dojot.devices = {"admin": [f"{number:05x}" for number in range(45)]}
    sync.step(1.0, lambda: ["admin"])
    dojot.devices["acme"] = ["fffff"]

    sync.hurry()
    run_through(sync, dojot, 2.0)
    run_through(sync, dojot, 60.0)

    assert counters.added_by_sync == 46


def test_one_tenant_that_cannot_be_listed_keeps_no_other_from_it(sync, dojot, counters, installation):
    dojot.devices = {"acme": ["aaaaa"], "admin": ["bbbbb"]}
    dojot.failing_pages = {("acme", 1)}

    run_through(sync, dojot, 1.0)

    assert sync.incomplete
    assert counters.added_by_sync == 1
    assert counters.synced_at is None
    assert installation.services.end_entities.find("bbbbb")

    dojot.failing_pages = set()
    run_through(sync, dojot, 200.0)
    assert not sync.incomplete
    assert counters.synced_at is not None


def test_only_what_looks_like_a_device_is_missed_in_dojot(sync, dojot, counters, installation):
    for name in ("f60c28", "iotagent-mqtt", "admin", "admin:f60c28"):
        installation.add(name)
    installation.clock.advance(seconds=1)

    run_through(sync, dojot, 1.0)

    assert counters.not_in_dojot == 1
