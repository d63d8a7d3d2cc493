"""mosquitto's dynamic-security plugin, as a real mosquitto has it."""

import json
import subprocess
import time

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt import enums

from app.client.broker import dynamic_security
from app.client.broker.broker_files import files_for
from app.client.broker.dynamic_security import DynamicSecurity
from app.client.broker.sessions import NotEnded
from app.client.errors import ClientError, FileTrouble, Unreachable
from tests.acceptance.server import free_port
from tests.conftest import require_tool


@pytest.fixture
def mosquitto(tmp_path):
    """A mosquitto with the control listener of the setup, and one that takes any user name as a client's."""
    port = free_port()
    made = files_for("mosquitto", tmp_path, port, tmp_path / "pid").files
    for name, file in made.items():
        (tmp_path / name).write_text(file.content)
        (tmp_path / name).chmod(file.mode)
    _, _, control = made["mosquitto.conf"].content.partition("\nlistener 0 ")
    devices = f"listener {port} 127.0.0.1\nallow_anonymous true\n"
    (tmp_path / "main.conf").write_text(f"user root\nper_listener_settings true\n{devices}listener 0 {control}")
    with (tmp_path / "log").open("wb") as log:
        command = [require_tool("mosquitto"), "-c", tmp_path / "main.conf"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 60
    while "running" not in (tmp_path / "log").read_text():
        assert process.poll() is None, (tmp_path / "log").read_text()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture
def security(mosquitto, tmp_path) -> DynamicSecurity:
    return DynamicSecurity(tmp_path / "control.sock", "", 1883, "midca-agent", tmp_path / "control.password")


@pytest.fixture
def connect(mosquitto):
    """Makes clients that stay away once they are cut off."""
    made = []

    def connect(name: str) -> mqtt.Client:
        client = mqtt.Client(enums.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.username_pw_set(name)
        client.connect("127.0.0.1", mosquitto)
        client.loop_start()
        made.append(client)
        wait_until(client.is_connected)
        return client

    yield connect
    for client in made:
        client.disconnect()
        client.loop_stop()


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def ask(security: DynamicSecurity, *commands: dict) -> list[dict]:
    with security._control() as control:
        return control.ask(commands)


def known(security: DynamicSecurity) -> list[str]:
    (answer,) = ask(security, {"command": "listClients"})
    return answer["data"]["clients"]


def test_sessions_of_a_name_are_ended_and_no_others(security, connect):
    lost, twice, other = connect("lost"), connect("lost"), connect("other")

    security.end({"lost"})

    wait_until(lambda: not lost.is_connected() and not twice.is_connected())
    assert other.is_connected()
    assert known(security) == ["midca-agent"], "nothing is left behind"


@pytest.mark.parametrize("name", ["tenant:f60c28", "Pump 7", "Bücher", '"\\', "$SYS", "midca", "x" * 64])
def test_any_name_a_certificate_can_have_is_taken(security, connect, name):
    lost = connect(name)

    security.end({name})

    wait_until(lambda: not lost.is_connected())


def test_name_the_plugin_cannot_have_does_not_save_the_others(security, connect):
    lost = connect("lost")

    with pytest.raises(NotEnded) as caught:
        security.end({"lost", "a\x01b"})

    assert caught.value.names == {"a\x01b"}
    wait_until(lambda: not lost.is_connected())


def test_client_the_plugin_knows_stays_as_it_is(security, connect):
    ask(security, *({"command": "createClient", "username": name} for name in ("enabled", "disabled")))
    ask(security, {"command": "disableClient", "username": "disabled"})
    before = ask(security, *({"command": "getClient", "username": name} for name in ("enabled", "disabled")))
    enabled, disabled = connect("enabled"), connect("disabled")

    security.end({"enabled", "disabled"})

    wait_until(lambda: not enabled.is_connected() and not disabled.is_connected())
    after = ask(security, *({"command": "getClient", "username": name} for name in ("enabled", "disabled")))
    assert [answer["data"] for answer in after] == [answer["data"] for answer in before]
    assert after[1]["data"]["client"]["disabled"] is True


def test_many_are_ended_in_batches(security, connect):
    names = [f"device{number}" for number in range(120)]
    first, last, other = connect(names[0]), connect(names[-1]), connect("other")

    security.end(names)

    wait_until(lambda: not first.is_connected() and not last.is_connected())
    assert other.is_connected()
    assert known(security) == ["midca-agent"]


def test_device_does_not_reach_the_control_topic(security, connect):
    device = connect("midca-agent")
    request = {"commands": [{"command": "createClient", "username": "evil"}]}

    device.publish("$CONTROL/dynamic-security/v1", json.dumps(request), qos=1)
    device.publish("done", "1", qos=1).wait_for_publish(20)

    assert known(security) == ["midca-agent"]


def test_check_is_silent_when_all_is_well(security):
    security.check()


def test_wrong_password_is_said(security, tmp_path):
    (tmp_path / "control.password").write_text("guessed\n")

    with pytest.raises(ClientError, match="does not let midca-agent in") as caught:
        security.check()
    assert "guessed" not in str(caught.value)


def test_password_that_others_can_read_is_not_used(security, tmp_path):
    (tmp_path / "control.password").chmod(0o644)

    with pytest.raises(FileTrouble, match="can be read by others"):
        security.check()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_broker_that_is_away_is_unreachable(tmp_path):
    (tmp_path / "control.password").write_text("x\n")
    (tmp_path / "control.password").chmod(0o600)

    with pytest.raises(Unreachable, match="does not answer"):
        DynamicSecurity(tmp_path / "control.sock", "", 1883, "midca-agent", tmp_path / "control.password").check()


def test_listener_without_the_plugin_is_said(mosquitto, tmp_path, monkeypatch):
    """Over TCP, as an operator may have it."""
    monkeypatch.setattr(dynamic_security, "_TIMEOUT", 1)
    with pytest.raises(Unreachable, match="does not answer"):
        DynamicSecurity(None, "127.0.0.1", mosquitto, "midca-agent", tmp_path / "control.password").check()
