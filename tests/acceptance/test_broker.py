"""A broker and its agent: a device that is removed is off the broker, and nothing locks the others out."""

import time

import pytest

from tests.acceptance.broker import Device, running_agent, running_broker, set_up, wait_until
from tests.acceptance.peers import enrol

pytestmark = pytest.mark.slow


@pytest.fixture
def ca(fast_server):
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
        print("took", time.monotonic() - started)
        print(agent.log)
        time.sleep(3)

        assert lost.connects == 1
        other.publishes_on()
        assert (other.connects, other.cut_off) == (1, 0)
        print(broker.log[-3000:])
