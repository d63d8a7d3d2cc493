"""Sessions of revoked devices are ended once the broker refuses them, and at no other time."""

import json

import pytest

from app.client.broker.alarms import Level
from app.operations import revocation_feed
from app.pki.revocation import RevocationReason
from tests.conftest import ACTOR

pytestmark = pytest.mark.one_database


@pytest.fixture
def lost(world):
    """A world in which the device ``lost`` was revoked, and the CA's list shows it."""
    world.enrol("lost")
    world.revoke("lost")
    world.issue_lists()
    return world


def test_session_is_ended_when_the_list_shows_it_and_not_before(world):
    agent = world.agent()
    world.enrol("lost")
    world.revoke("lost")
    assert agent.once() == []
    assert world.ended == []

    world.issue_lists()
    assert agent.once() == []
    assert world.ended == ["lost"]


def test_session_is_ended_after_the_broker_read_the_list(lost, tmp_path):
    log = tmp_path / "log"
    for name in ("reloads", "ended"):
        lost.change(str(tmp_path / name), str(log))

    assert lost.agent().once() == []

    assert log.read_text().split() == ["reload", "lost"]


def test_nobody_is_cut_off_while_the_broker_does_not_read_the_list(lost):
    lost.change("echo reload", "false; exit 1 #")
    agent = lost.agent()

    assert [alarm.about for alarm in agent.once()] == ["reload"]
    assert lost.ended == []


def test_name_is_the_one_that_stands_in_the_certificate(world):
    world.enrol("f60c28", subject_dn="CN=Pump-7,O=Plant", end_entity_profile="EMPTY")
    world.revoke("f60c28")
    world.issue_lists()

    assert world.agent().once() == []

    assert world.ended == ["Pump-7"]


def test_hold_ends_the_session_too(world):
    serial = world.enrol("held")
    world.installation.services.revocation.change("IOTmidCA", serial, RevocationReason.CERTIFICATEHOLD, ACTOR)
    world.issue_lists()

    assert world.agent().once() == []

    assert world.ended == ["held"]


def test_who_waits_for_the_next_list_does_not_hold_up_the_others(lost):
    lost.enrol("later")
    lost.revoke("later")
    agent = lost.agent()

    assert agent.once() == []
    assert lost.ended == ["lost"]

    lost.issue_lists()
    assert agent.once() == []
    assert lost.ended == ["lost", "later"]


def test_all_pages_are_read(world, monkeypatch):
    monkeypatch.setattr(revocation_feed, "PAGE", 2)
    names = [f"device{number}" for number in range(5)]
    for name in names:
        world.enrol(name)
        world.revoke(name)
    world.issue_lists()

    assert world.agent().once() == []

    assert sorted(world.ended) == names


def test_who_was_revoked_while_the_agent_was_away_is_cut_off_when_it_is_back(lost):
    assert lost.agent().once() == []
    lost.enrol("meanwhile")
    lost.revoke("meanwhile")
    lost.issue_lists()

    assert lost.agent().once() == []

    assert lost.ended == ["lost", "meanwhile"]


def test_session_is_ended_once_more_after_two_minutes(lost):
    """A client that showed its certificate before and sent its CONNECT after it was no session yet."""
    agent = lost.agent()
    for seconds in (0, 60, 61, 0, 300):
        lost.clock.advance(seconds=seconds)
        assert agent.once() == []

    assert lost.ended == ["lost", "lost"]


def test_what_is_to_be_ended_again_outlives_the_agent(lost):
    assert lost.agent().once() == []
    lost.clock.advance(seconds=121)

    assert lost.agent().once() == []

    assert lost.ended == ["lost", "lost"]


def test_session_that_could_not_be_ended_is_an_error_and_tried_again(lost, tmp_path):
    broken = tmp_path / "broken"
    broken.touch()
    lost.change("echo {name}", f"test {{name}} = fine -o ! -e {broken} || exit 1; echo {{name}}")
    lost.enrol("fine")
    lost.revoke("fine")
    lost.issue_lists()
    agent = lost.agent()

    (alarm,) = agent.once()
    assert (alarm.level, alarm.about) == (Level.ERROR, "sessions")
    assert alarm.sentence == "The broker did not end the sessions of lost."
    assert lost.ended == ["fine"]

    broken.unlink()
    lost.clock.advance(seconds=61)
    assert agent.once() == []
    assert lost.ended == ["fine", "lost"]


def test_hold_that_is_released_is_let_in_again(world):
    serial = world.enrol("held")
    for reason in (RevocationReason.CERTIFICATEHOLD, RevocationReason.NOTREVOKED):
        world.installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)
    world.issue_lists()

    assert world.agent().once() == []

    assert world.ended == []
    assert world.used.shows({int(serial, 16)}) == set()


def test_ca_that_was_put_back_from_a_backup_is_read_from_the_beginning(lost, caplog):
    state = lost.directory / "agent.state"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"cursor": "99.AB"}))

    assert lost.agent().once() == []

    assert lost.ended == ["lost"]
    assert "put back from a backup" in caplog.text


def test_state_that_cannot_be_read_begins_anew(lost, caplog):
    broken = (b"", b"[]", b'{"cursor": 1', b'{"cursor": null, "again": {"a": "b"}, "ended": 0}')
    for content in broken:
        (lost.directory / "agent.state").write_bytes(content)

        assert lost.agent().once() == []

    assert lost.ended == ["lost"] * len(broken)
    assert caplog.text.count("agent.state cannot be read") == len(broken)


def test_token_that_is_no_good_is_an_error(lost):
    (lost.directory / "agent.token").write_text("midca_wrong\n")

    (alarm,) = lost.agent().once()

    assert (alarm.level, alarm.about) == (Level.ERROR, "sessions")
    assert "answers 401" in alarm.sentence
    assert "midca_wrong" not in alarm.sentence


def test_secret_that_others_can_read_is_not_used(lost):
    (lost.directory / "agent.token").chmod(0o644)

    (alarm,) = lost.agent().once()

    assert "can be read by others" in alarm.sentence


def test_one_program_for_all_names_is_run_once_and_not_again(lost, tmp_path):
    """A restart, where a broker has nothing better."""
    lost.change("echo {name}", "echo restarted")
    lost.enrol("more")
    lost.revoke("more")
    lost.issue_lists()
    agent = lost.agent()

    assert agent.once() == []
    lost.clock.advance(minutes=3)
    assert agent.once() == []

    assert lost.ended == ["restarted"]
