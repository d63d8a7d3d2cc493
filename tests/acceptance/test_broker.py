"""A broker and its agent: a device that is removed is off the broker, and nothing locks the others out."""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta

import pytest

from app.client.broker.agent import Agent
from app.client.broker.configuration import load
from tests.acceptance.broker import Broker, Device, agent, running_agent, running_broker, start_agent, wait_until
from tests.acceptance.peers import enrol

pytestmark = pytest.mark.slow
P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.fixture
def ca(request, fast_server):
    """Its brokers' certificates are of a day, or of what a test asks for."""
    profile, dates = fast_server.base / "profiles" / "broker.yaml", getattr(request, "param", "validity: 1d\n")
    profile.write_text(profile.read_text().replace("validity: 1y\n", dates))
    with fast_server as running:
        yield running


@pytest.fixture
def broker(ca, tmp_path):
    with running_broker(ca, tmp_path / "m") as running:
        yield running


@pytest.fixture
def connect(ca, broker, tmp_path):
    """Makes devices with a certificate and an open session."""
    made = []

    def connect(name: str) -> Device:
        made.append(Device(enrol(ca, tmp_path, name, *P256), broker.port))
        wait_until(lambda: made[-1].is_connected, lambda: broker.log)
        return made[-1]

    yield connect
    for device in made:
        device.stop()


def test_a_removed_device_is_cut_off_and_the_others_go_on(ca, broker, connect):
    lost, other = connect("lost"), connect("other")
    with running_agent(broker.directory) as running:
        other.publishes_on()

        assert ca.delete("/user/lost").status == 200

        wait_until(lambda: lost.cut_off, lambda: running.log + broker.log)
        wait_until(lambda: "certificate verify failed" in broker.log, "it does not even try again")
        assert lost.connects == 1
        lost.stop()
        other.publishes_on()

        again = connect("lost")  # registered and enrolled anew
        again.publishes_on()
        other.publishes_on()
        assert (other.connects, other.cut_off) == (1, 0)
        assert running.stop() == 0


def test_agent_that_was_killed_catches_up(ca, broker, connect):
    lost, other = connect("lost"), connect("other")
    killed = start_agent(broker.directory)
    wait_until((broker.directory / "agent.status").exists, lambda: killed.log)
    killed.kill()
    assert ca.delete("/user/lost").status == 200

    with running_agent(broker.directory) as running:
        wait_until(lambda: lost.cut_off, lambda: running.log + broker.log)

    assert (other.connects, other.cut_off) == (1, 0)


def test_connection_that_kept_silent_until_it_was_revoked_is_ended_too(ca, broker, tmp_path):
    """It showed its certificate when that was good, and sends its CONNECT when it is not any more."""
    holder = enrol(ca, tmp_path, "lost", *P256)
    tls = ssl.create_default_context(cafile=holder.ca)
    tls.load_cert_chain(holder.certificate, holder.key)
    plain = socket.create_connection(("localhost", broker.port))
    with tls.wrap_socket(plain, server_hostname="localhost") as silent:
        assert ca.delete("/user/lost").status == 200
        with running_agent(broker.directory) as running:
            wait_until(lambda: "ended the sessions of lost" in running.log, lambda: running.log)
        silent.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lost")
        assert silent.recv(4) == b"\x20\x02\x00\x00", "mosquitto lets it in"

        assert agent_in(broker, seconds=121).once() == []

        assert silent.recv(4) == b""


@pytest.mark.parametrize("ca", ["validity: 19m\n"], indirect=True)  # it begins ten minutes ago: half of it is over
def test_certificate_is_renewed_and_shown_without_a_session_being_lost(broker, connect):
    before, device = shown_certificate(broker), connect("device")

    agent_in(broker, minutes=4).once()

    wait_until(lambda: shown_certificate(broker) != before, lambda: broker.log)
    device.publishes_on()
    assert (device.connects, device.cut_off) == (1, 0)


def test_ca_that_is_away_is_an_alarm_and_locks_nobody_out(ca, broker, connect):
    assert agent(broker.directory, "--once").stdout == "All is well.\n"
    ca.stop()

    looked = agent(broker.directory, "--once")
    assert looked.returncode == 1
    assert "nobody listens there" in looked.stdout
    assert "The list in use is good for 6 days more." in looked.stdout
    checked = agent(broker.directory, "--check", "--json")
    assert checked.returncode == 1
    assert {alarm["about"] for alarm in json.loads(checked.stdout)} == {"list", "sessions"}

    ca.start()
    assert connect("device").is_connected


def agent_in(broker: Broker, **time: float) -> Agent:
    """An agent whose clock shows what it will be in some time."""
    return Agent(load(broker.directory), lambda: datetime.now(UTC) + timedelta(**time))


def shown_certificate(broker: Broker) -> bytes:
    return ssl.get_server_certificate(("localhost", broker.port)).encode()
