"""A broker and its agent: a device that is removed is off the broker, and nothing locks the others out."""

import json
import socket
import ssl
import time
from datetime import UTC, datetime, timedelta

import pytest

from app.client.broker.agent import Agent
from app.client.broker.configuration import load
from tests.acceptance.broker import Device, agent, running_agent, running_broker, set_up, start_agent, wait_until
from tests.acceptance.peers import enrol

pytestmark = pytest.mark.slow


@pytest.fixture
def ca(fast_server):
    """Its brokers' certificates are of a day."""
    profile = fast_server.base / "profiles" / "broker.yaml"
    profile.write_text(profile.read_text().replace("validity: 1y\n", "validity: 1d\n"))
    with fast_server as running:
        yield running


P256 = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


@pytest.fixture
def connect(ca, tmp_path):
    """Makes devices with a certificate and an open session."""
    made = []

    def connect(name: str, broker) -> Device:
        made.append(Device(enrol(ca, tmp_path, name, *P256), broker.port))
        wait_until(lambda: made[-1].is_connected, lambda: broker.log)
        return made[-1]

    yield connect
    for device in made:
        device.stop()


def test_a_removed_device_is_off_within_ten_seconds_and_the_others_go_on(ca, tmp_path, connect):
    with running_broker(ca, tmp_path / "m") as broker, running_agent(broker.directory) as agent:
        lost, other = connect("lost", broker), connect("other", broker)
        other.publishes_on()

        started = time.monotonic()
        assert ca.delete("/user/lost").status == 200
        wait_until(lambda: lost.cut_off, lambda: agent.log + broker.log)
        assert time.monotonic() - started < 10

        wait_until(lambda: "certificate verify failed" in broker.log, "it does not even try again")
        assert lost.connects == 1
        lost.stop()
        other.publishes_on()

        again = connect("lost", broker)  # registered and enrolled anew
        again.publishes_on()
        other.publishes_on()
        assert (other.connects, other.cut_off) == (1, 0)
        assert agent.stop() == 0


def test_agent_that_was_killed_catches_up(ca, tmp_path, connect):
    with running_broker(ca, tmp_path / "m") as broker:
        lost, other = connect("lost", broker), connect("other", broker)
        killed = start_agent(broker.directory)
        wait_until((broker.directory / "agent.status").exists, lambda: killed.log)
        killed.kill()
        assert ca.delete("/user/lost").status == 200

        with running_agent(broker.directory) as started:
            wait_until(lambda: lost.cut_off, lambda: started.log + broker.log)

        assert (other.connects, other.cut_off) == (1, 0)


def test_connection_that_kept_silent_until_it_was_revoked_is_ended_too(ca, tmp_path):
    """It showed its certificate when that was good, and sends its CONNECT when it is not any more."""
    with running_broker(ca, tmp_path / "m") as broker:
        holder = enrol(ca, tmp_path, "lost", *P256)
        tls = ssl.create_default_context(cafile=holder.ca)
        tls.load_cert_chain(holder.certificate, holder.key)
        with tls.wrap_socket(
            socket.create_connection(("localhost", broker.port)), server_hostname="localhost"
        ) as silent:
            assert ca.delete("/user/lost").status == 200
            with running_agent(broker.directory) as started:
                wait_until(lambda: "ended the sessions of lost" in started.log, lambda: started.log)
            silent.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04lost")
            assert silent.recv(4) == b"\x20\x02\x00\x00", "mosquitto lets it in"

            assert agent_in(broker, seconds=121).once() == []

            assert silent.recv(4) == b""


def test_certificate_is_renewed_and_shown_without_a_session_being_lost(ca, tmp_path, connect):
    with running_broker(ca, tmp_path / "m") as broker:
        before, device = shown_certificate(broker), connect("device", broker)

        agent_in(broker, hours=17).once()

        wait_until(lambda: shown_certificate(broker) != before, lambda: broker.log)
        device.publishes_on()
        assert (device.connects, device.cut_off) == (1, 0)


def test_ca_that_is_away_is_an_alarm_and_locks_nobody_out(ca, tmp_path, connect):
    with running_broker(ca, tmp_path / "m") as broker:
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
        assert connect("device", broker).is_connected


def test_two_agents_do_not_get_in_each_others_way(ca, tmp_path):
    assert set_up(ca, tmp_path / "broker", "--dns", "localhost").returncode == 0
    with running_agent(tmp_path / "broker") as first:
        wait_until((tmp_path / "broker" / "agent.status").exists, lambda: first.log)

        second = agent(tmp_path / "broker", "--once")

    assert second.returncode == 1
    assert "Another process writes into" in second.stderr


def agent_in(broker, **time: float) -> Agent:
    """An agent whose clock shows what it will be in some time."""
    return Agent(load(broker.directory), lambda: datetime.now(UTC) + timedelta(**time))


def shown_certificate(broker) -> bytes:
    return ssl.get_server_certificate(("localhost", broker.port)).encode()
