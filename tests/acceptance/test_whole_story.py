"""dojot from end to end: a device is created, fetches its certificate, talks to the broker, is removed and is gone.

Real are Kafka, midca with its reader of events, the retriever, mosquitto and the broker's agent; dojot's own services
and its gateway are stand-ins that answer as those of v0.4.3.
"""

import time

import pytest

from tests.acceptance.broker import Device, running_agent, running_broker, wait_until
from tests.acceptance.events import TOPIC
from tests.acceptance.peers import Holder
from tests.acceptance.server import MIDCA, RunningServer
from tests.conftest import require_tool, run
from tests.dojot import device
from tests.gateway import PASSWORD, USER, Gateway

pytestmark = pytest.mark.slow


@pytest.fixture
def server(make_server, base, kafka, dojot) -> RunningServer:
    """``midca serve`` that reads the events itself, with dojot's own names of settings."""
    kafka.make_topic(TOPIC)
    server = make_server(base, workers=2)
    server.environment |= {
        "MIDCA_KAFKA_BROKERS": kafka.brokers,
        "DATA_BROKER_URL": dojot.url,
        "AUTH_URL": dojot.url,
        "DEVICE_MANAGER_URL": dojot.url,
    }
    with server:
        yield server


def retrieve(server: RunningServer, gateway: Gateway, name: str) -> Holder:
    """Type what the user of dojot types: ``midca retrieve HOST DEVICE CA``."""
    environment = server.environment | {"DOJOT_USERNAME": USER, "DOJOT_PASSWORD": PASSWORD}
    certificates = server.base / "certs"
    done = run(MIDCA, "retrieve", gateway.url, name, "IOTmidCA", "--out", certificates, env=environment, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return Holder(certificates / f"{name}.key", certificates / f"{name}.crt", certificates / "IOTmidCA.crt")


def enters_dojot(server: RunningServer, kafka, name: str) -> None:
    kafka.send(TOPIC, device(name))
    wait_until(lambda: server.sql("SELECT 1 FROM end_entities WHERE username = ?", name) == [(1,)], lambda: server.log)


def test_a_device_from_its_creation_to_its_end(server, kafka, tmp_path):
    with (
        Gateway(server.port) as gateway,
        running_broker(server, tmp_path / "m") as broker,
        running_agent(broker.directory) as agent,
    ):
        holders = {}
        for name in ("f60c28", "a1b2c3"):
            enters_dojot(server, kafka, name)
            holders[name] = retrieve(server, gateway, name)
        published = run(
            require_tool("mosquitto_pub"),
            *("-h", "localhost", "-p", str(broker.port), *holders["f60c28"].tls),
            *("-t", "/admin/f60c28/attrs", "-m", '{"temperature": 23}', "-q", "1"),
            timeout=20,
        )
        assert published.returncode == 0, published.stderr + broker.log

        removed, other = (Device(holders[name], broker.port) for name in ("f60c28", "a1b2c3"))
        try:
            wait_until(lambda: removed.is_connected and other.is_connected, lambda: broker.log)
            kafka.send(TOPIC, device("f60c28", "remove"))
            sent = time.monotonic()

            wait_until(lambda: removed.cut_off, lambda: agent.log + broker.log)
            print(f"off the broker after {time.monotonic() - sent:.1f} s")  # noqa: T201 -- a figure, not a condition
            wait_until(lambda: "certificate verify failed" in broker.log, "it does not even try again")
            assert removed.connects == 1
            other.publishes_on()
            assert (other.connects, other.cut_off) == (1, 0)
        finally:
            removed.stop()
            other.stop()
        assert server.sign("f60c28", "", "dojot").status == 400
