"""What the agent tells of itself: the file for Prometheus, and ``--check``."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from app.client.broker.agent import check
from app.client.broker.alarms import Level
from app.client.broker.configuration import load
from app.client.errors import FileTrouble
from tests.conftest import require_tool, run

pytestmark = pytest.mark.one_database


@pytest.fixture
def metrics_file(world):
    world.change("[reload]", "[metrics]\nfile = 'midca.prom'\n[reload]")
    return world.directory / "midca.prom"


def values(path) -> dict[str, float]:
    lines = (line for line in path.read_text().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_file_for_prometheus_tells_what_an_alarm_needs(world, metrics_file):
    world.enrol("lost")
    world.revoke("lost")
    world.issue_lists()

    assert world.agent().once() == []

    found, now = values(metrics_file), world.clock.now.timestamp()
    assert found["midca_broker_round_timestamp_seconds"] == pytest.approx(now, abs=1)
    assert found["midca_broker_lists_refreshed_timestamp_seconds"] == pytest.approx(now, abs=1)
    end = found['midca_broker_list_end_timestamp_seconds{ca="C=SE,O=EJBCA IOT,CN=IOTmidCA"}']
    assert timedelta(seconds=end - now) > timedelta(days=6)
    assert found['midca_broker_list_number{ca="C=SE,O=EJBCA IOT,CN=IOTmidCA"}'] > 0
    assert timedelta(seconds=found["midca_broker_certificate_end_timestamp_seconds"] - now) > timedelta(days=364)
    assert found["midca_broker_sessions_ended_total"] == 1
    assert (found['midca_broker_alarms{level="warning"}'], found['midca_broker_alarms{level="error"}']) == (0, 0)


def test_documentation_has_every_metric_and_no_other(world, metrics_file):
    world.agent().once()
    document = (Path(__file__).parents[2] / "docs" / "broker.md").read_text()
    _, _, table = document.partition("<!-- held to what the agent writes by tests/client/test_broker_report.py -->\n")

    named = {
        name for row in re.match(r"(\|.*\n)+", table)[0].splitlines() for name in re.findall(r"`(midca_\w+)`", row)
    }

    assert named == {name.partition("{")[0] for name in values(metrics_file)}


def test_promtool_accepts_the_file(world, metrics_file):
    world.agent().once()

    checked = run(require_tool("promtool"), "check", "metrics", input=metrics_file.read_text())

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert checked.stderr == ""


def test_alarms_are_counted(world, metrics_file):
    (world.directory / "agent.token").unlink()

    world.agent().once()

    assert values(metrics_file)['midca_broker_alarms{level="error"}'] == 1


def test_full_disk_does_not_stop_the_agent(world, caplog):
    world.change("[reload]", "[metrics]\nfile = '/dev/full/midca.prom'\n[reload]")

    assert world.agent().once() == []

    assert "/dev/full/midca.prom cannot be written" in caplog.text


def checked(world) -> list[str]:
    return [alarm.sentence for alarm in check(load(world.directory), world.clock.now)]


def test_check_is_silent_while_the_agent_runs_and_tells_when_it_does_not(world):
    assert checked(world) == ["The agent has not run here yet."]

    world.agent().once()
    assert checked(world) == []

    world.clock.advance(minutes=4)
    (sentence,) = checked(world)
    assert "does not run: its last round was at" in sentence


def test_check_repeats_the_agents_own_alarms(world):
    (world.directory / "agent.token").unlink()
    world.agent().once()

    (sentence,) = checked(world)
    assert "agent.token is not there" in sentence


def test_check_sees_lists_and_certificate_by_itself(world):
    world.agent().once()
    world.clock.advance(days=366)

    found = check(load(world.directory), world.clock.now)

    assert {(alarm.level, alarm.about) for alarm in found} == {
        (Level.ERROR, "list"),
        (Level.ERROR, "certificate"),
        (Level.ERROR, "agent"),
    }


def test_check_tells_of_files_that_are_not_there_or_are_none(world):
    world.agent().once()
    certificate = world.directory / "broker.pem"
    certificate.unlink()
    assert checked(world) == ["The broker has no certificate."]

    certificate.write_text("x")
    certificate.chmod(0o600)
    with pytest.raises(FileTrouble, match="holds no certificate"):
        checked(world)

    certificate.unlink()
    (world.directory / "agent.status").write_text(json.dumps({"at": "x"}))

    with pytest.raises(FileTrouble, match=r"agent\.status cannot be read"):
        checked(world)
