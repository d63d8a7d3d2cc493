"""The broker's own certificate is renewed with a new key, long before it ends."""

import base64
import itertools
import json
import os
import shutil
import signal
import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from app.client.authority import Authority
from app.client.broker.alarms import Level
from app.client.broker.certificate import Renewal
from app.client.broker.configuration import load
from app.client.errors import NotVerified
from app.client.http_server import HttpServer
from app.client.private_key import KeyKind, public_bytes
from app.pki.revocation import RevocationReason
from tests.client.broker import NAME, World, broker_directory, serving, standing_in
from tests.conftest import ACTOR

pytestmark = pytest.mark.one_database


@pytest.fixture
def due(world):
    """A world in which the broker's certificate of a year has 20 days left."""
    world.clock.advance(days=345)
    world.issue_lists()
    return world


def certificate(world) -> x509.Certificate:
    pem = (world.directory / "broker.pem").read_bytes()
    found = x509.load_pem_x509_certificates(pem)[0]
    assert public_bytes(load_pem_private_key(pem, None).public_key()) == public_bytes(found.public_key())
    return found


def issued(world) -> int:
    return world.installation.sql("SELECT count(*) FROM certificates WHERE username = ?", NAME)[0][0]


def test_nothing_is_renewed_before_it_is_time(world):
    before = certificate(world)
    for days in (0, 200, 138):
        world.clock.advance(days=days)
        world.issue_lists()
        assert world.agent().once() == []

    assert certificate(world) == before


def test_certificate_is_renewed_with_a_new_key_and_the_same_names(due):
    old = certificate(due)

    assert due.agent().once() == []

    new = certificate(due)
    assert new.not_valid_after_utc - due.clock.now > (old.not_valid_after_utc - due.clock.now) * 10
    assert public_bytes(new.public_key()) != public_bytes(old.public_key())
    assert new.subject == old.subject
    names = new.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost", "mqtt.example"]
    assert due.reloads == 1
    assert sorted(path.name for path in due.directory.glob("broker*")) == ["broker.pem"]


def test_renewed_certificate_is_renewed_again_a_year_later(due):
    assert due.agent().once() == []
    first = certificate(due)
    due.clock.advance(days=345)
    due.issue_lists()

    assert due.agent().once() == []

    assert certificate(due) != first


def test_answer_that_got_lost_is_answered_again(due):
    """The new key and its request are kept: the CA gives the same request the same certificate."""
    password = due.directory / "enrolment.password"
    right = password.read_text()
    password.write_text("wrong\n")
    due.agent().once()
    pem = (due.directory / "broker.next.pem").read_text()
    request = "".join(pem.partition("REQUEST-----\n")[2].splitlines()[:-1])
    lost = due.installation.sign(NAME, right.strip(), request).certificate
    password.write_text(right)

    assert due.agent().once() == []

    assert certificate(due) == lost
    assert issued(due) == 2


def test_refusal_is_an_alarm_that_grows_and_is_not_asked_for_all_the_time(due):
    due.installation.services.end_entities.revoke(NAME, RevocationReason.UNSPECIFIED, ACTOR)
    agent, before = due.agent(), due.files["broker.pem"]

    alarms = agent.once()
    assert {(alarm.level, alarm.about) for alarm in alarms} == {(Level.WARNING, "certificate")}
    assert "status REVOKED" in alarms[0].sentence
    assert "ends in 19 days and is not renewed yet" in alarms[1].sentence
    failures = due.installation.sql("SELECT count(*) FROM audit_log")
    assert agent.once() == alarms
    assert due.installation.sql("SELECT count(*) FROM audit_log") == failures

    due.clock.advance(days=10)
    due.issue_lists()
    due.clock.advance(minutes=11)
    alarms = agent.once()
    assert (Level.ERROR, "certificate") in {(alarm.level, alarm.about) for alarm in alarms}
    assert "is revoked: set the broker up anew" in alarms[-1].sentence
    assert due.files["broker.pem"] == before


def test_profile_without_a_renewal_window_is_a_refusal_with_time_left(make_installation, tmp_path):
    """CFREE, dojot's profile, has none."""
    installation = make_installation()
    with serving(installation) as port:
        url = f"http://127.0.0.1:{port}"
        directory = broker_directory(installation, tmp_path, url, profile="CFREE", key=KeyKind("rsa"))
        world = World(installation, directory, port)
        world.clock.advance(days=710)
        world.issue_lists()

        alarms = world.agent().once()

    assert "status GENERATED" in alarms[0].sentence
    assert {alarm.level for alarm in alarms} == {Level.WARNING}


def test_certificate_of_others_is_not_taken(due):
    """A server that lies: the certificate it hands out is of another key."""
    device = due.installation.services.certificates.find("IOTmidCA", due.enrol("device")).certificate
    before = due.files["broker.pem"]
    answer = {"status": {"data": base64.b64encode(device).decode(), "responseType": {}}}
    with standing_in(json.dumps(answer).encode()) as port:
        renewal = Renewal(
            due.directory,
            load(due.directory).certificate,
            Authority("IOTmidCA", HttpServer.at(f"http://127.0.0.1:{port}").json),
            due.clock,
        )
        with pytest.raises(NotVerified, match="another key"):
            renewal.renew_if_due(due.used.chain)

    assert due.files["broker.pem"] == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_kill_at_any_moment_leaves_files_that_are_whole_and_fit(make_world, tmp_path):
    world = make_world(MIDCA_REENROL="always")
    world.clock.advance(days=345)
    world.enrol("lost")
    world.revoke("lost")
    world.issue_lists()
    before = tmp_path / "before"
    shutil.copytree(world.directory, before)
    old, root = certificate(world), world.used.chain[-1]
    seen = set()

    for step in itertools.count():
        shutil.rmtree(world.directory)
        shutil.copytree(before, world.directory)
        killed = killed_at(step, world.agent)
        used, own = world.used, certificate(world)
        assert used.chain[-1] == root
        seen.add((len(list(used.lists[0])), own == old))
        if not killed:
            break
        assert world.agent().once() == [], f"the next one goes on after a kill at step {step}"
        assert certificate(world) != old

    assert step > 15
    assert {(0, True), (1, True), (1, False)} == seen


def killed_at(step: int, make_agent) -> bool:
    """Run an agent in a child that is killed before it puts its n-th thing on the disk; False when it was not."""
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        child = os.fork()
    if child == 0:
        left = [step]

        def or_die(act):
            def acted(*args, **kwargs):
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                left[0] -= 1
                return act(*args, **kwargs)

            return acted

        os.fsync, os.replace = or_die(os.fsync), or_die(os.replace)
        try:
            make_agent().once()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)
