"""Events of devices: what each does, and that order and repetition between partitions make no difference."""

import random
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.errors import EnrolmentWindowOver, StoreUnavailable, UnknownEndEntity, WrongPassword
from app.files.end_entity_profile_files import END_ENTITIES
from app.operations.actor import Actor
from app.operations.devices import Change, DeviceEvent, Outcome
from app.pki.end_entity import EndEntityStatus, TokenType
from app.pki.revocation import RevocationReason
from app.settings import shipped
from app.store.device_events import EventPosition
from tests.builders import csr, one_line
from tests.conftest import Installation
from tests.operations.test_end_entity_profiles import SEVEN_DAYS, own_profiles

pytestmark = pytest.mark.both_databases

KAFKA = Actor("device events", "kafka", "admin")
CREATE, UPDATE, REMOVE = Change.CREATED, Change.UPDATED, Change.REMOVED


class Topic:
    """Makes events one after the other, a millisecond apart, all in one partition unless it is named."""

    def __init__(self) -> None:
        self.sent = 0
        self.offsets: dict[int, int] = {}

    def event(self, change: Change, username: str = "f60c28", partition: int = 0) -> DeviceEvent:
        self.sent += 1
        offset = self.offsets[partition] = self.offsets.get(partition, -1) + 1
        return DeviceEvent(
            change, username, KAFKA, EventPosition("t", partition, offset, 1_700_000_000_000 + self.sent)
        )


@pytest.fixture
def topic() -> Topic:
    return Topic()


def outcomes(installation, *events: DeviceEvent) -> list[Outcome]:
    return [result.outcome for result in installation.services.devices.apply(events)]


def status(installation, username: str = "f60c28") -> EndEntityStatus | None:
    try:
        return installation.services.end_entities.find(username).status
    except UnknownEndEntity:
        return None


def test_created_device_enrols_with_the_default_password(installation, topic):
    assert outcomes(installation, topic.event(CREATE)) == [Outcome.ADDED]

    installation.sign("f60c28", "dojot", one_line(csr()))
    assert status(installation) is EndEntityStatus.GENERATED
    assert installation.last_audit()["object"] == "f60c28"


@pytest.mark.parametrize("change", [CREATE, UPDATE])
def test_an_event_of_a_live_device_leaves_its_end_entity_as_it_is(installation, topic, change):
    installation.add(password="its own password")

    assert outcomes(installation, topic.event(change)) == [Outcome.UNCHANGED]

    with pytest.raises(WrongPassword):
        installation.sign("f60c28", "dojot", one_line(csr()))


def test_an_update_arms_again_where_the_operator_wants_it(make_installation, topic):
    installation = make_installation(MIDCA_REARM="always")
    update = topic.event(UPDATE)
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))

    assert outcomes(installation, update) == [Outcome.ARMED]
    assert status(installation) is EndEntityStatus.NEW
    installation.sign("f60c28", "dojot", one_line(csr()))
    assert outcomes(installation, update) == [Outcome.LATE], "the same event again arms nothing"


def test_a_removed_device_is_revoked_and_its_certificates_too(installation, topic):
    outcomes(installation, topic.event(CREATE))
    installation.sign("f60c28", "dojot", one_line(csr()))

    assert outcomes(installation, topic.event(REMOVE)) == [Outcome.REVOKED]

    assert status(installation) is EndEntityStatus.REVOKED
    (certificate,) = installation.services.certificates.of_user("f60c28")
    assert certificate.revocation_reason is RevocationReason.UNSPECIFIED


def test_a_device_that_is_created_again_may_enrol_again(installation, topic):
    removed = [topic.event(CREATE), topic.event(REMOVE)]
    outcomes(installation, *removed)

    assert outcomes(installation, *removed) == [Outcome.LATE, Outcome.LATE]
    assert status(installation) is EndEntityStatus.REVOKED
    assert outcomes(installation, topic.event(CREATE)) == [Outcome.ARMED]
    assert outcomes(installation, *removed) == [Outcome.LATE, Outcome.LATE]
    assert status(installation) is EndEntityStatus.NEW


def test_an_update_wakes_no_device_that_was_revoked(installation, topic):
    """A68."""
    installation.add()
    installation.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, KAFKA)

    assert outcomes(installation, topic.event(UPDATE)) == [Outcome.UNCHANGED]
    assert status(installation) is EndEntityStatus.REVOKED


@pytest.mark.parametrize("setting", ["none", "random"])
def test_without_a_default_password_nobody_enrols_before_one_is_set(make_installation, topic, setting):
    """An event has nobody to tell a random password to."""
    installation = make_installation(MIDCA_DEFAULT_PASSWORD=setting)
    assert outcomes(installation, topic.event(CREATE), topic.event(REMOVE), topic.event(CREATE)) == [
        Outcome.ADDED,
        Outcome.REVOKED,
        Outcome.ARMED,
    ]
    assert status(installation) is EndEntityStatus.NEW
    assert installation.sql("SELECT password_verifier FROM end_entities") == [(None,)]

    for guess in ("dojot", "none", "random"):
        with pytest.raises(WrongPassword):
            installation.sign("f60c28", guess, one_line(csr()))
    installation.services.end_entities.rearm("f60c28", "its own password", KAFKA)
    installation.sign("f60c28", "its own password", one_line(csr()))


@pytest.fixture
def dojots_profile(make_installation):
    """Make an installation whose EMPTY_CFREE has another password rule or window."""

    def make(**changes) -> Installation:
        installation = make_installation(MIDCA_REARM="always")
        shipped_one = yaml.safe_load((shipped("profiles") / END_ENTITIES / "EMPTY_CFREE.yaml").read_text())
        own_profiles(installation, EMPTY_CFREE=shipped_one | changes)
        return installation

    return make


def test_where_the_profile_has_no_default_apply_a_device_waits_for_a_password_and_no_update_takes_it(
    dojots_profile, topic
):
    installation = dojots_profile(password={"default": False, "min_length": 12})
    installation.services.devices.check()
    assert outcomes(installation, topic.event(CREATE)) == [Outcome.ADDED]
    with pytest.raises(WrongPassword):
        installation.sign("f60c28", "dojot", one_line(csr()))

    installation.services.end_entities.rearm("f60c28", "its own password", KAFKA)
    assert outcomes(installation, topic.event(UPDATE)) == [Outcome.UNCHANGED]
    installation.sign("f60c28", "its own password", one_line(csr()))


def test_a_device_that_is_armed_again_has_its_enrolment_window_anew(dojots_profile, topic):
    """The window is the one that docs/dojot.md shows."""
    document = (Path(__file__).parents[2] / "docs" / "dojot.md").read_text()
    ((key, window),) = re.findall(r"^ +(enrolment_window): (\w+)$", document, re.MULTILINE)
    installation = dojots_profile(**{key: window})
    outcomes(installation, topic.event(CREATE))
    installation.clock.advance(days=8)
    with pytest.raises(EnrolmentWindowOver):
        installation.sign("f60c28", "dojot", one_line(csr()))

    assert outcomes(installation, topic.event(REMOVE), topic.event(CREATE)) == [Outcome.REVOKED, Outcome.ARMED]
    installation.sign("f60c28", "dojot", one_line(csr()))


def test_a_removed_device_is_revoked_even_if_its_profile_is_gone_and_it_cannot_be_armed_again(installation, topic):
    own_profiles(installation, DEVICES=SEVEN_DAYS)
    chosen = {"certificate_profile": "CFREE", "token_type": TokenType.USERGENERATED}
    installation.add(password="its own password", end_entity_profile="DEVICES", **chosen)
    installation.sign("f60c28", "its own password", one_line(csr()))
    removed, made_anew = topic.event(REMOVE, partition=1), topic.event(CREATE)
    outcomes(installation, made_anew)
    (installation.base / "profiles" / END_ENTITIES / "DEVICES.yaml").unlink()
    installation.services.profiles.reload()

    assert outcomes(installation, removed) == [Outcome.REFUSED]
    assert status(installation) is EndEntityStatus.REVOKED
    assert installation.services.certificates.of_user("f60c28")[0].revoked


def test_a_device_that_is_removed_and_made_anew_in_one_batch_may_enrol_anew_and_its_certificate_is_revoked(
    installation, topic
):
    """A69."""
    outcomes(installation, topic.event(CREATE))
    installation.sign("f60c28", "dojot", one_line(csr()))

    both = topic.event(REMOVE), topic.event(CREATE)
    assert outcomes(installation, *both, topic.event(REMOVE, "nobody")) == [
        Outcome.REVOKED,
        Outcome.ARMED,
        Outcome.UNCHANGED,
    ]

    assert status(installation) is EndEntityStatus.NEW
    assert installation.services.certificates.of_user("f60c28")[0].revoked


def test_an_event_that_is_refused_stops_no_other_and_may_come_again(installation, topic):
    installation.add("another", subject_dn="CN=f60c28")
    taken = topic.event(CREATE)

    assert outcomes(installation, taken, topic.event(CREATE, "aaaaa")) == [Outcome.REFUSED, Outcome.ADDED]

    installation.services.end_entities.delete("another", KAFKA)
    assert outcomes(installation, taken) == [Outcome.ADDED]


def test_a_batch_that_the_database_cannot_take_leaves_nothing_behind(installation, topic, monkeypatch):
    events = [topic.event(CREATE, name) for name in ("aaaaa", "bbbbb")]
    devices, seen = installation.services.devices, []

    def fails_at_the_second(username: str, *_: object) -> None:
        seen.append(username)
        if len(seen) == 2:
            raise StoreUnavailable("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(devices.events, "save", fails_at_the_second)
        with pytest.raises(StoreUnavailable):
            devices.apply(events)

    assert status(installation, "aaaaa") is None
    assert outcomes(installation, *events) == [Outcome.ADDED, Outcome.ADDED]


def test_a_clock_that_is_ahead_keeps_no_later_event_out(installation, topic):
    ahead = EventPosition("t", 0, 0, int(installation.clock().timestamp() * 1000) + 10**9)
    outcomes(installation, DeviceEvent(CREATE, "f60c28", KAFKA, ahead))
    installation.clock.advance(seconds=1)

    now = EventPosition("t", 1, 0, int(installation.clock().timestamp() * 1000))
    assert outcomes(installation, DeviceEvent(REMOVE, "f60c28", KAFKA, now)) == [Outcome.REVOKED]


def test_a_topic_that_was_made_anew_is_read_from_its_first_event_on(installation):
    def event(change: Change, offset: int, sent_at: int) -> DeviceEvent:
        return DeviceEvent(change, "f60c28", KAFKA, EventPosition("t", 0, offset, sent_at))

    outcomes(installation, event(CREATE, 500, 1000), event(REMOVE, 501, 1001))

    assert outcomes(installation, event(CREATE, 0, 2000), event(REMOVE, 1, 2001)) == [Outcome.ARMED, Outcome.REVOKED]


def test_without_times_events_count_in_the_order_of_their_arrival(installation):
    def event(change: Change, partition: int) -> DeviceEvent:
        return DeviceEvent(change, "f60c28", KAFKA, EventPosition("t", partition, 7))

    assert outcomes(installation, event(CREATE, 0), event(REMOVE, 1), event(CREATE, 2)) == [
        Outcome.ADDED,
        Outcome.REVOKED,
        Outcome.ARMED,
    ]


def test_a_listing_adds_who_is_not_known_and_wakes_nobody(installation, topic):
    outcomes(installation, topic.event(CREATE, "aaaaa"), topic.event(CREATE, "bbbbb"), topic.event(REMOVE, "bbbbb"))

    listing = installation.services.devices.listed(["aaaaa", "bbbbb", "ccccc"], KAFKA)

    assert (listing.added, listing.revoked, listing.refused) == (["ccccc"], ["bbbbb"], {})
    assert status(installation, "bbbbb") is EndEntityStatus.REVOKED


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lives=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    ends_removed=st.booleans(),
    partitions=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_whatever_order_partitions_are_read_in_and_whatever_comes_twice_the_last_event_counts(
    installation, lives, ends_removed, partitions, seed
):
    """Each life of the device is a create, some updates and a remove; what is read may be read again from anywhere."""
    chance, topic, username = random.Random(seed), Topic(), f"{seed:08x}"
    changes = [change for updates in lives for change in (CREATE, *[UPDATE] * updates, REMOVE)]
    logs = {number: [] for number in range(partitions)}
    for change in changes if ends_removed else changes[:-1]:
        partition = chance.randrange(partitions)
        logs[partition].append(topic.event(change, username, partition))
    installation.sql("DELETE FROM device_events WHERE username = ?", username)
    installation.sql("DELETE FROM end_entities WHERE username = ?", username)
    devices = installation.services.devices.__class__(
        **{**vars(installation.services.devices), "rearm_on_update": chance.random() < 0.5}
    )

    at = dict.fromkeys(logs, 0)
    while unread := [number for number in logs if at[number] < len(logs[number])]:
        number = chance.choice(unread)
        devices.apply(logs[number][at[number] : (end := chance.randint(at[number] + 1, len(logs[number])))])
        at[number] = end
        if chance.random() < 0.2:
            again = chance.choice(list(logs))
            at[again] = chance.randint(0, at[again])

    expected = {EndEntityStatus.REVOKED, None} if ends_removed else {EndEntityStatus.NEW}
    assert status(installation, username) in expected
    before = status(installation, username), len(installation.services.readiness.audit.entries())
    for log in logs.values():
        assert {result.outcome for result in devices.apply(log)} <= {Outcome.LATE}
    assert (status(installation, username), len(installation.services.readiness.audit.entries())) == before
