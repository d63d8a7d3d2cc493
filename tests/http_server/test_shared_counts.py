"""Which worker takes the next connection."""

import os
from types import SimpleNamespace

import pytest

from app.http_server import worker
from app.http_server.shared_counts import SharedCounts
from app.http_server.worker import PatientWorker


@pytest.fixture
def counts():
    return SharedCounts()


@pytest.fixture
def places(counts):
    return [counts.take() for _ in range(3)]


def test_places_are_of_one_worker_each_until_it_leaves(counts, places):
    assert len(set(places)) == 3
    counts.leave(places[1])
    assert counts.take() == places[1]


def test_who_has_the_fewest_connections_takes_the_next(counts, places):
    for place, number in zip(places, (2, 1, 1), strict=True):
        counts.set(place, number)

    assert [counts.another_has_fewer(place) for place in places] == [True, False, False]


def test_nothing_is_left_to_a_worker_that_takes_none_or_has_ended(counts, places):
    for place, number in zip(places, (2, 1, 1), strict=True):
        counts.set(place, number)

    counts.close(places[1])
    counts.leave(places[2])

    assert not counts.another_has_fewer(places[0])


def test_what_one_process_tells_all_see(counts, places):
    counts.set(places[0], 1)
    child = os.fork()
    if child == 0:
        counts.set(places[1], 0)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    assert counts.another_has_fewer(places[0])


@pytest.fixture
def fuller(counts, places):
    """A worker with a connection more than another; its listener notes when it is asked, and has nobody."""
    counts.set(places[0], 1)
    counts.set(places[1], 0)
    return SimpleNamespace(counts=counts, place=places[0])


class Listener:
    def accept(self):
        raise BlockingIOError(11, "nobody is there")


def test_worker_leaves_a_connection_to_one_with_fewer_but_does_not_wait_for_it_for_ever(fuller, monkeypatch):
    waits = []
    monkeypatch.setattr(worker.time, "sleep", waits.append)

    PatientWorker.accept(fuller, Listener())

    assert 0 < sum(waits) < 0.01


def test_worker_stops_waiting_when_the_other_has_taken_it(fuller, counts, places, monkeypatch):
    waits = []

    def sleep(seconds):
        waits.append(seconds)
        counts.set(places[1], 1)

    monkeypatch.setattr(worker.time, "sleep", sleep)
    PatientWorker.accept(fuller, Listener())

    assert len(waits) == 1
