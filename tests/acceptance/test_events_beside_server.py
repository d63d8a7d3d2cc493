"""``midca serve`` that reads device events too: what one of its processes meets is nothing to the others."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from tests.acceptance.events import GROUP, TOPIC, dojot_at
from tests.acceptance.server import NO_ANSWER, RunningServer, free_port
from tests.builders import csr, key, one_line
from tests.dojot import device

NEW, GENERATED, REVOKED = 10, 40, 50

pytestmark = pytest.mark.slow


@pytest.fixture
def make_beside(make_server, base: Path, kafka, dojot):
    """Make a server that reads the events of Kafka beside itself."""

    def make(**settings: str) -> RunningServer:
        server = make_server(base, workers=2)
        server.environment |= dojot_at(dojot.url) | {"MIDCA_KAFKA_BROKERS": kafka.brokers} | settings
        return server

    return make


def statuses(server: RunningServer) -> dict[str, int]:
    return dict(server.sql("SELECT username, status FROM end_entities"))


def wait(server: RunningServer, condition, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, server.log[-5000:]
        time.sleep(0.05)


def reader(server: RunningServer) -> int | None:
    """Return the process that reads events, as the log tells."""
    told = server.beside("reads device events")
    return told[-1] if told else None


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_reader_that_dies_is_replaced_and_nobody_else_notices(make_beside, kafka):
    """F27."""
    server = make_beside(MIDCA_METRICS_NETWORKS="127.0.0.1")
    with server:
        kafka.send(TOPIC, device("aaaaa"))
        wait(server, lambda: statuses(server) == {"aaaaa": NEW})
        first, workers = reader(server), server.workers()

        os.kill(first, signal.SIGKILL)
        kafka.send(TOPIC, b"nonsense", device("bbbbb"), device("aaaaa", "remove"))
        assert server.sign("aaaaa", one_line(csr("aaaaa")), "dojot").status == 200
        wait(server, lambda: statuses(server) == {"aaaaa": REVOKED, "bbbbb": NEW})

        wait(server, lambda: 'midca_device_events_skipped_total{reason="not JSON"} 1' in server.text("/metrics"))
        told = server.text("/metrics")
        assert 'midca_device_events_total{outcome="revoked"} 1' in told
        assert "midca_device_events_lag 0" in told
        assert "midca_end_entities_public_password 1" in told
        assert server.get("/ready").body["checks"]["events"] == "ok"
        assert reader(server) != first
        assert server.workers() == workers
        assert "has died; the next one starts in" in server.log
        last = reader(server)
    assert not lives(last)


def test_a_reload_puts_a_reader_with_the_new_profiles_in_the_place_of_the_old(make_beside, kafka):
    server = make_beside()
    with server:
        wait(server, lambda: reader(server) is not None)
        first = reader(server)
        server.process.send_signal(signal.SIGHUP)
        wait(server, lambda: reader(server) != first and not lives(first))
        kafka.send(TOPIC, device("aaaaa"))
        wait(server, lambda: statuses(server) == {"aaaaa": NEW})

    assert "has died" not in server.log


def test_a_reader_does_not_outlive_a_server_that_was_killed(make_beside):
    server = make_beside()
    server.start()
    wait(server, lambda: reader(server) is not None)

    os.kill(server.process.pid, signal.SIGKILL)

    wait(server, lambda: not lives(reader(server)))


def test_kafka_that_is_away_is_told_of_and_changes_nothing_for_devices(make_server, base, dojot):
    """F27."""
    server = make_server(base, workers=2)
    server.environment |= dojot_at(dojot.url) | {"MIDCA_KAFKA_BROKERS": f"127.0.0.1:{free_port()}"}
    with server:
        wait(server, lambda: server.sql("SELECT trouble FROM event_readers") == [("Kafka does not answer",)])
        assert server.register("f60c28", "dojot").status == 200
        assert server.sign("f60c28", one_line(csr("f60c28")), "dojot").status == 200
        assert server.get("/ready").status == 200, "not yet: it may be back in a minute"


def test_ten_thousand_devices_are_absorbed_while_others_get_their_certificates(make_beside, kafka):
    names = [f"enrolling-{number}" for number in range(40)]
    server = make_beside()
    with server:
        for name in names:
            assert server.register(name).status == 200
        kafka.send(TOPIC, *(device(f"{number:05x}") for number in range(10_000)))

        answers = []

        def enrol() -> None:
            for name in names:
                try:
                    answers.append(server.sign(name, one_line(csr(name, signing_key=key(len(answers))))).status)
                except NO_ANSWER as error:
                    answers.append(repr(error))

        signing = threading.Thread(target=enrol)
        signing.start()
        count = "SELECT count(*) FROM end_entities WHERE status = 10 AND username NOT LIKE 'enrolling%'"
        wait(server, lambda: server.sql(count) == [(10_000,)], seconds=120)
        signing.join()

    assert answers == [200] * len(names)
    assert kafka.committed(GROUP, TOPIC) == 10_000


def test_without_its_settings_in_order_the_server_does_not_start(make_server, base):
    server = make_server(base, workers=2)
    server.environment |= {"MIDCA_KAFKA_BROKERS": "127.0.0.1:1", "AUTH_URL": "ftp://auth"}
    server.start(wait=False)

    assert server.wait() == 3
    assert "MIDCA_AUTH_URL must be a URL" in server.log
