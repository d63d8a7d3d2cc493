"""Device events from a real Kafka, to a real server and back."""

import base64
import random
import time
import uuid
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.events import GROUP, TOPIC, Events
from tests.builders import csr, one_line
from tests.dojot import Dojot, device
from tests.kafka import Kafka

NEW, GENERATED, REVOKED = 10, 40, 50

pytestmark = pytest.mark.slow


@pytest.fixture
def make_events(base: Path, kafka: Kafka, dojot: Dojot):
    made = []

    def make(**settings: str) -> Events:
        made.append(Events(base, kafka.brokers, dojot.url, **settings))
        return made[-1]

    yield make
    for events in made:
        if events.process is not None:
            events.kill()


@pytest.fixture
def events(make_events) -> Events:
    return make_events()


def test_a_device_enrols_after_its_create_event_and_is_on_the_list_after_its_remove_event(
    events, kafka, make_server, base
):
    """A69."""
    with make_server(base, workers=2) as server, events:
        kafka.send(TOPIC, device("f60c28"))
        events.wait_for(f60c28=NEW)
        signed = server.sign("f60c28", one_line(csr("f60c28")), "dojot")
        assert signed.status == 200
        serial = x509.load_der_x509_certificate(base64.b64decode(signed.certificate)).serial_number

        kafka.send(TOPIC, device("f60c28", "remove"))
        events.wait_for(f60c28=REVOKED)

        def listed() -> bool:
            crl = x509.load_der_x509_crl(base64.b64decode(server.get("/ca/IOTmidCA/crl").body["CRL"]))
            return crl.get_revoked_certificate_by_serial_number(serial) is not None

        events.wait(listed)
        assert server.sign("f60c28", one_line(csr("f60c28")), "dojot").status == 400


def test_a_device_is_known_within_a_second(events, kafka):
    """One of five, as a busy machine may take longer now and then."""

    def seconds(name: str) -> float:
        started = time.monotonic()
        kafka.send(TOPIC, device(name))
        events.wait_for(**{name: NEW})
        return time.monotonic() - started

    kafka.make_topic(TOPIC)
    with events:
        kafka.send(TOPIC, device("aaaaa"))
        events.wait_for(aaaaa=NEW)  # the group is at work

        assert any(seconds(name * 5) < 1 for name in "bcdef")


def test_events_sent_while_nobody_read_are_not_lost(events, kafka):
    kafka.send(TOPIC, *(device(f"{number:05x}") for number in range(50)))

    with events:
        events.wait(lambda: len(events.statuses()) == 50)
        events.wait(lambda: kafka.committed(GROUP, TOPIC) == 50)

    (status,) = events.lines("device events so far")
    assert status["outcomes"] == {"added": 50}
    assert status["lag"] == {TOPIC: 0}
    assert status["sync_age"] is not None


def test_devices_whose_topic_needs_no_look_up_are_read_while_dojots_services_are_away(events, kafka, dojot):
    dojot.down = True
    kafka.send(TOPIC, device("f60c28"))

    with events:
        events.wait_for(f60c28=NEW)
        dojot.devices["admin"] = ["aaaaa"]
        dojot.down = False
        events.wait_for(aaaaa=NEW)


def test_two_processes_share_the_work(make_events, kafka, dojot):
    """F27: partitions change hands in the middle of batches."""
    kafka.make_topic(TOPIC)
    one, other = make_events(), make_events()
    other.log_file = one.base / "other.log"
    with one, other:
        for number in range(0, 400, 20):
            kafka.send(TOPIC, *(device(f"{name:05x}") for name in range(number, number + 20)))
            time.sleep(0.1)
        one.wait(lambda: kafka.committed(GROUP, TOPIC) == 400)

    assert len(one.statuses()) == 400
    assert len(one.audit()) == len(set(one.audit())) == 400


def test_kafka_may_come_up_after_midca(events, kafka):
    """F27."""
    kafka.stop()
    try:
        with events:
            events.wait(lambda: '"message": "Kafka: ' in events.log)
            kafka.start()
            kafka.send(TOPIC, device("f60c28"))
            events.wait_for(f60c28=NEW)
    finally:
        if kafka.process is None:
            kafka.start()


def test_a_broker_that_restarts_costs_no_event(events, kafka):
    """F27."""
    with events:
        kafka.send(TOPIC, device("aaaaa"))
        events.wait_for(aaaaa=NEW)

        kafka.stop()
        kafka.start()
        kafka.send(TOPIC, device("aaaaa", "remove"), device("bbbbb"))

        events.wait_for(aaaaa=REVOKED, bbbbb=NEW)


def test_a_remove_in_another_partition_than_its_create_still_ends_the_device(events, kafka):
    """A69. As dojot's keyless messages are spread; the partition with the remove may be read first."""
    kafka.make_topic(TOPIC)
    for number in range(40):
        kafka.send(TOPIC, device(f"{number:05x}"), partition=9 - number % 10)
    time.sleep(0.01)
    for number in range(40):
        kafka.send(TOPIC, device(f"{number:05x}", "remove"), partition=number % 10)

    with events:
        events.wait(lambda: kafka.committed(GROUP, TOPIC) == 80)

    assert set(events.statuses().values()) <= {REVOKED}


def test_kills_in_the_middle_of_batches_lose_no_device_and_double_none(events, kafka):
    """F27."""
    chance, devices = random.Random(7), [f"{number:05x}" for number in range(3000)]
    kafka.send(TOPIC, *map(device, devices))
    kafka.send(TOPIC, *(device(name, "remove") for name in devices[::3]))

    kills = 0
    while kills < 4:
        with events:
            before = len(events.statuses())
            events.wait(lambda: len(events.statuses()) > before)  # noqa: B023 -- asked at once
            time.sleep(chance.uniform(0, 0.1))
            events.kill()
        kills += 1
    with events:
        events.wait(lambda: kafka.committed(GROUP, TOPIC) == 4000)

    assert {name: status for name, status in events.statuses().items() if status != REVOKED} == {
        name: NEW for number, name in enumerate(devices) if number % 3
    }
    assert len(events.audit()) == len(set(events.audit()))


def test_everything_once_more_changes_nothing(events, kafka):
    """A68."""
    kafka.send(TOPIC, device("aaaaa"), device("bbbbb"), device("ccccc"), partition=3)
    kafka.send(TOPIC, device("aaaaa", "remove"), device("bbbbb", "update"), partition=3)
    time.sleep(0.01)
    kafka.send(TOPIC, device("bbbbb", "remove"))
    time.sleep(0.01)
    kafka.send(TOPIC, device("bbbbb"))
    events.once()
    before = events.sql("SELECT * FROM end_entities ORDER BY username"), events.audit()
    assert events.statuses() == {"aaaaa": REVOKED, "bbbbb": NEW, "ccccc": NEW}

    kafka.read_again(GROUP, TOPIC)
    counts = events.once()

    assert counts["outcomes"].keys() <= {"late", "unchanged"}
    assert sum(counts["outcomes"].values()) == 7
    assert (events.sql("SELECT * FROM end_entities ORDER BY username"), events.audit()) == before


def test_poison_is_counted_and_passed_by_and_stands_in_no_log(events, kafka):
    """A65, A66, A67, F27."""
    canary = "CANARY-5f2a"
    poison = {
        "not JSON": b"{" + canary.encode(),
        "not a JSON object": [canary],
        "too long": canary.encode() * 100_000,
        "no event": {"data": {"id": canary}},
        "no device or tenant": {"event": "create", "data": {"id": "aaaaa", "label": canary}},
        "another tenant's topic": device("aaaaa", tenant="other", label=canary),
    }
    strange = ["../../x", "a,CN=admin", "x" * 300, "\0", "", "ä", "a:b", 7, None, ["f60c28"]]
    kafka.send(TOPIC, *(value for why, value in poison.items() if why != "too long"), b"[" * 60_000, b"\xff\xfe")
    kafka.send(TOPIC, poison["too long"][:900_000])
    kafka.send(TOPIC, *(device(identifier, label=canary) for identifier in strange), device("f60c28"))

    counts = events.once()

    assert events.statuses() == {"f60c28": NEW}
    assert counts["skipped"] == {
        "not JSON": 3,
        "not a JSON object": 1,
        "too long": 1,
        "no event": 1,
        "no device or tenant": 1 + len(strange),
        "another tenant's topic": 1,
        "listed and refused": 0,
        "listed with a strange id": 0,
    }
    assert kafka.committed(GROUP, TOPIC) == 9 + len(strange)
    assert len(events.lines("a message is passed by")) == 8 + len(strange)
    assert canary not in events.log


def test_orders_to_devices_and_changes_of_templates_concern_no_certificate(events, kafka):
    kafka.send(
        TOPIC,
        device("f60c28", "configure", attrs={"target_temperature": 23.5}),
        device("f60c28", "actuate"),
        {"event": "template.update", "data": {"affected": ["f60c28"], "template": {}}, "meta": {"service": "admin"}},
    )

    counts = events.once()

    assert counts["ignored"] == 3
    assert counts["outcomes"] == {}
    assert events.statuses() == {}


def test_topics_with_random_names_are_asked_for(events, kafka, dojot):
    dojot.topics["admin", "dojot.device-manager.device"] = "6f1e3b7a-4f3b-4c0f-9b0a-0c5d9d0a7f11"
    kafka.send("6f1e3b7a-4f3b-4c0f-9b0a-0c5d9d0a7f11", device("f60c28"))

    events.once()

    assert events.statuses() == {"f60c28": NEW}


@pytest.mark.parametrize("random_names", [False, True], ids=["tenant.subject", "random names"])
def test_a_tenant_that_is_added_at_run_time_is_read_from_its_first_device_on(events, kafka, dojot, random_names):
    if random_names:
        dojot.topics["dojot-management", "dojot.tenancy"] = "0d5c9d0a-tenancy"
        dojot.topics["acme", "dojot.device-manager.device"] = "3b7a4f3b-acme"
    kafka.make_topic(dojot.answer("/topic/dojot.tenancy", "dojot-management")["topic"])
    with events:
        kafka.send(TOPIC, device("aaaaa"))
        events.wait_for(aaaaa=NEW)

        topic = dojot.answer("/topic/dojot.device-manager.device", "acme")["topic"]
        kafka.send(topic, device("bbbbb", tenant="acme"))
        dojot.devices["acme"] = ["bbbbb", "ccccc"]
        kafka.send(dojot.topics["dojot-management", "dojot.tenancy"], {"type": "CREATE", "tenant": "acme"})

        events.wait_for(bbbbb=NEW, ccccc=NEW)


def test_a_comparison_catches_up_with_what_kafka_no_longer_has(events, kafka, dojot):
    dojot.devices = {"admin": [f"{number:05x}" for number in range(70)], "acme": ["fffff"]}
    dojot.failing_pages = {("admin", 3)}
    with events:
        events.wait(lambda: ("admin", "/device?page_num=3") in dojot.asked and len(events.statuses()) == 41)
        dojot.failing_pages = set()
        events.wait(lambda: len(events.statuses()) == 71)

    assert set(events.statuses().values()) == {NEW}
    asked = [path for tenant, path in dojot.asked if tenant == "admin" and path.startswith("/device")]
    assert asked.count("/device") == asked.count("/device?page_num=2") == 1, "what was read is not read again"
    assert asked.count("/device?page_num=3") > 1


def test_a_comparison_removes_nobody_and_arms_nobody_and_says_so(events, kafka, dojot):
    kafka.send(TOPIC, device("aaaaa"), device("bbbbb"))
    dojot.devices["admin"] = ["aaaaa", "bbbbb"]
    events.once()
    kafka.send(TOPIC, device("bbbbb", "remove"))
    dojot.devices["admin"] = ["bbbbb"]
    events.once()

    counts = events.once()

    assert events.statuses() == {"aaaaa": NEW, "bbbbb": REVOKED}
    assert (counts["not_in_dojot"], counts["revoked_here"]) == (1, 1)
    (gone, *_) = events.lines("1 devices are here and not in dojot; revoke them if they are gone")
    assert gone["entities"] == ["aaaaa"]


def test_end_entities_may_bear_the_tenant_in_their_name(make_events, kafka, dojot):
    dojot.devices = {"admin": ["aaaaa"], "acme": ["aaaaa"]}
    kafka.send("acme.dojot.device-manager.device", device("bbbbb", tenant="acme"))

    counts = make_events(MIDCA_DEVICE_NAMES="tenant:id").once()

    assert counts["shared_names"] == 0
    assert make_events().statuses() == {"admin:aaaaa": NEW, "acme:aaaaa": NEW, "acme:bbbbb": NEW}


def test_devices_of_two_tenants_with_one_id_are_told_of(events, kafka, dojot):
    dojot.devices = {"admin": ["aaaaa"], "acme": ["aaaaa"]}

    assert events.once()["shared_names"] == 1


def test_once_says_when_dojot_does_not_answer(events, kafka, dojot):
    dojot.failing_pages = {("admin", 1)}

    events.once(status=1)

    assert "the devices of tenant admin cannot be listed now" in events.log


def test_a_database_that_is_away_is_waited_for(events, kafka):
    away = events.database.with_name("away")
    with events:
        kafka.send(TOPIC, device("aaaaa"))
        events.wait_for(aaaaa=NEW)
        events.database.rename(away)

        kafka.send(TOPIC, device("bbbbb"))
        events.wait(lambda: "tried again, nothing is lost" in events.log)
        assert kafka.committed(GROUP, TOPIC) == 1
        away.rename(events.database)

        events.wait_for(bbbbb=NEW)
        events.wait(lambda: kafka.committed(GROUP, TOPIC) == 2)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request) -> str:
    """The value of MIDCA_DATABASE."""
    if request.param == "sqlite":
        return "sqlite"
    return request.getfixturevalue("postgresql").create(f"t{uuid.uuid4().hex}")


def test_midca_events_waits_for_the_server_to_make_the_ca(kafka, dojot, make_server, tmp_path, database):
    kafka.send(TOPIC, device("f60c28"))
    with Events(tmp_path, kafka.brokers, dojot.url, MIDCA_DATABASE=database) as events:
        events.wait(lambda: "waiting until there is a CA" in events.log)
        with make_server(tmp_path, workers=2, database=database.removeprefix("sqlite")) as server:
            known = "SELECT status FROM end_entities WHERE username = 'f60c28'"
            events.wait(lambda: server.sql(known) == [(NEW,)])
