"""Device events from a real Kafka, to a real server and back."""

import base64
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.events import GROUP, TOPIC, Events
from tests.builders import csr, one_line
from tests.dojot import Dojot, device
from tests.kafka import Kafka, require_kafka

NEW, GENERATED, REVOKED = 10, 40, 50

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """One broker for all tests; each reads topics of its own tenants."""
    require_kafka()
    with Kafka(tmp_path_factory.mktemp("kafka") / "broker") as running:
        yield running


@pytest.fixture
def kafka(broker):
    """An empty broker: the topics that the test before has left are gone."""
    broker.empty()
    return broker


@pytest.fixture
def dojot():
    with Dojot() as running:
        yield running


@pytest.fixture
def base(data_template: Path, tmp_path: Path) -> Path:
    path = tmp_path / "installation"
    shutil.copytree(data_template, path)
    return path


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
    kafka.make_topic(TOPIC)
    with events:
        kafka.send(TOPIC, device("aaaaa"))
        events.wait_for(aaaaa=NEW)  # the group is at work
        started = time.monotonic()

        kafka.send(TOPIC, device("bbbbb"))
        events.wait_for(bbbbb=NEW)

        assert time.monotonic() - started < 1
