"""What the server knows of those who read dojot's device events, and when it is not ready because of them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from app.store.event_readers import EventReader


@pytest.fixture
def reader(installation) -> EventReader:
    """A reader that was seen just now and has read all there is."""
    now = installation.clock()
    return EventReader("a", now, now, "", 0, 2, None, 0, 0, 0)


def problem(installation) -> str | None:
    return installation.services.readiness.check().get("events")


def report(installation, told: EventReader, **changes) -> EventReader:
    told = replace(told, seen_at=installation.clock(), **changes)
    installation.services.event_readers.report(told, {})
    return told


def test_where_nobody_reads_events_nobody_misses_it(installation):
    installation.clock.advance(days=1)

    assert problem(installation) is None


def test_a_server_that_reads_events_beside_itself_waits_a_minute_for_the_reader(make_installation):
    installation = make_installation(MIDCA_KAFKA_BROKERS="kafka:9092")
    assert problem(installation) == "ok"

    installation.clock.advance(seconds=61)

    assert "No process reads dojot's device events" in problem(installation)


def test_a_reader_that_vanished_is_missed_and_another_takes_its_place(installation, reader):
    report(installation, reader)
    assert problem(installation) == "ok"

    installation.clock.advance(seconds=61)
    assert "No process reads dojot's device events" in problem(installation)

    report(installation, reader, reader="b", caught_up_at=installation.clock())
    assert problem(installation) == "ok"
    assert [known.reader for known in installation.services.event_readers.store.all()] == ["b"]


def test_a_reader_that_ended_in_order_is_not_missed(installation, reader):
    report(installation, reader)
    installation.services.event_readers.leave("a", {})
    installation.clock.advance(days=1)

    assert problem(installation) is None


def test_a_reader_that_stays_behind_is_told_of_with_its_reason(installation, reader):
    began = installation.clock().isoformat(timespec="seconds")
    for _ in range(6):
        installation.clock.advance(seconds=50)
        report(installation, reader, trouble="700 messages are not applied", lag=700)
    assert problem(installation) == "ok", "for five minutes nobody is alarmed"

    installation.clock.advance(seconds=50)
    report(installation, reader, trouble="700 messages are not applied", lag=700)

    assert problem(installation) == (
        f"Device events are not read to their end since {began}: 700 messages are not applied."
    )


def test_of_two_readers_the_slower_one_counts(installation, reader):
    report(
        installation, reader, caught_up_at=installation.clock() - timedelta(minutes=6), trouble="Kafka does not answer"
    )
    report(installation, reader, reader="b")

    assert "Kafka does not answer" in problem(installation)


def test_counts_of_all_readers_add_up_and_outlive_them(installation, reader):
    readers = installation.services.event_readers
    readers.report(reader, {("event", "added"): 2, ("skipped", "not JSON"): 1})
    readers.report(replace(reader, reader="b"), {("event", "added"): 3})
    readers.leave("a", {("event", "added"): 1})

    assert readers.store.totals() == {("event", "added"): 6, ("skipped", "not JSON"): 1}


def test_what_a_reader_tells_is_kept_as_it_told_it(installation, reader):
    told = report(installation, reader, synced_at=installation.clock() - timedelta(hours=1), revoked_here=4, lag=3)

    assert installation.services.event_readers.store.all() == [told]
