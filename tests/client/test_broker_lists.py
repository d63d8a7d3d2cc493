"""The broker's lists: only what was verified takes the place of what is in use, and none runs out unsaid."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.broker.agent import Agent
from app.client.broker.alarms import Level
from app.client.broker.configuration import load
from app.client.errors import FileTrouble
from app.client.files import sole_user
from app.web import create_app
from tests.client.broker import World, standing_in
from tests.conftest import Installation, make_template, require_tool, run

pytestmark = pytest.mark.one_database

BUNDLE = "/pki/IOTmidCA.bundle.pem"
POINTS = ("IOTmidCA.crl.pem", "IOTrootCA.crl.pem")


def sentences(alarms) -> str:
    return " ".join(alarm.sentence for alarm in alarms)


@pytest.fixture
def answered():
    """Makes one round of an agent that is answered with this in the CA's place; returns its alarms."""

    def answered(world: World, body: bytes, status: int = 200, **headers: str):
        with standing_in(body, status, **headers) as port:
            world.change(f":{world.port}", f":{port}")
            try:
                return world.agent().once()
            finally:
                world.change(f":{port}", f":{world.port}")

    return answered


def test_files_are_what_openssl_wants_of_a_broker(world, tmp_path):
    device = tmp_path / "device.crt"
    serial = world.enrol("device")
    device.write_bytes(world.installation.services.certificates.find("IOTmidCA", serial).certificate)
    trusted = ("-CAfile", world.directory / "ca.pem", "-CRLfile", world.directory / "crl.pem")

    for certificate in (device, world.directory / "broker.pem"):
        verified = run(require_tool("openssl"), "verify", "-x509_strict", "-crl_check_all", *trusted, certificate)
        assert verified.returncode == 0, verified.stderr


def test_new_list_takes_its_place_and_the_broker_reads_it(world):
    agent = world.agent()
    assert agent.once() == []
    assert world.reloads == 1, "what an agent before this one wrote, the broker may not have read"
    serial = world.enrol("lost")
    world.revoke("lost")
    world.issue_lists()

    assert agent.once() == []

    assert world.used.shows({int(serial, 16)})
    assert world.reloads == 2


def test_broker_is_left_alone_while_nothing_is_new(world):
    agent = world.agent()
    for _ in range(3):
        assert agent.once() == []

    assert world.reloads == 1


def test_lost_files_come_back(world):
    before = world.files
    for name in ("ca.pem", "crl.pem"):
        (world.directory / name).unlink()

    assert world.agent().once() == []

    assert world.files == before


def test_broken_files_are_replaced(world):
    before = world.files
    (world.directory / "crl.pem").write_bytes(before["crl.pem"][:-300])

    assert world.agent().once() == []

    assert world.files == before


def flipped(pem: bytes) -> bytes:
    """Change a bit of the last octet, which is of the last list's signature."""
    *_, last = pem.split(b"-----BEGIN X509 CRL-----")
    crl = x509.load_pem_x509_crl(b"-----BEGIN X509 CRL-----" + last)
    der = bytearray(crl.public_bytes(Encoding.DER))
    der[-1] ^= 1
    return pem.replace(crl.public_bytes(Encoding.PEM), x509.load_der_x509_crl(bytes(der)).public_bytes(Encoding.PEM))


LIES = {
    "a list with a changed bit": (flipped, "is not signed by"),
    "no list of the root": (lambda pem: pem.rpartition(b"-----BEGIN X509 CRL-----")[0], "There are 0 revocation lists"),
    "no lists": (lambda pem: pem.partition(b"-----BEGIN X509 CRL-----")[0], "There are 0 revocation lists"),
    "a list twice": (
        lambda pem: pem + b"-----BEGIN X509 CRL-----" + pem.rpartition(b"-----BEGIN X509 CRL-----")[2],
        "There are 2 revocation lists",
    ),
    "the root left out": (lambda pem: pem.replace(second_certificate(pem), b""), "no chain to a root"),
    "half of it": (lambda pem: pem[: len(pem) // 2], "no chain to a root"),
    "an HTML page": (lambda _: b"<html>Log in</html>", "holds no certificate"),
    "nothing": (lambda _: b"", "holds no certificate"),
    "a list that is none": (
        lambda pem: pem + b"-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n",
        "cannot be read",
    ),
    "a private key": (
        lambda pem: pem + b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
        "PRIVATE KEY",
    ),
}


def second_certificate(pem: bytes) -> bytes:
    return x509.load_pem_x509_certificates(pem)[1].public_bytes(Encoding.PEM)


def test_what_cannot_be_verified_is_an_error_and_leaves_all_as_it_was(world, answered):
    before = world.files
    for lie, (change, sentence) in LIES.items():
        alarms = answered(world, change(world.get(BUNDLE)))

        assert sentence in sentences(alarms), lie
        assert [alarm.level for alarm in alarms if alarm.about == "list"] == [Level.ERROR], lie
        assert "is good for 6 days more" in sentences(alarms), lie
        assert world.files == before, lie


def test_older_list_never_takes_the_place_of_a_newer_one(world, answered):
    old = world.get(BUNDLE)
    world.enrol("lost")
    world.revoke("lost")
    world.issue_lists()
    assert world.agent().once() == []
    before = world.files

    alarms = answered(world, old)

    assert "is not newer than" in sentences(alarms)
    assert world.files == before


def test_list_that_ran_out_does_not_even_take_the_place_of_none(world, answered):
    (world.directory / "crl.pem").unlink()
    old = world.get(BUNDLE)
    world.clock.advance(days=8)

    alarms = answered(world, old)

    assert "has run out" in sentences(alarms)
    assert not (world.directory / "crl.pem").exists()


def test_list_of_one_url_is_refused(make_world, answered):
    """OpenSSL, and so mosquitto, refuses every certificate that names no URL by such a list."""
    world = make_world(MIDCA_PUBLIC_URL="http://ca.example")

    alarms = answered(world, b"".join(world.get(f"/pki/{file}") for file in ("IOTmidCA.pem", *POINTS)))

    assert "is that of one URL" in sentences(alarms)


def test_other_ca_of_the_same_name_is_refused(world, answered, tmp_path):
    stranger = Installation(make_template(tmp_path / "stranger"))
    bundle = create_app(stranger.services).test_client().get("/pki/IOTmidCA.bundle.pem").data
    stranger.services.database.close()

    alarms = answered(world, bundle)

    assert "set the broker up anew" in sentences(alarms)


def test_status_that_is_no_success_changes_nothing(world, answered):
    before = world.files
    for status, location in ((404, ""), (500, ""), (401, ""), (302, "/login"), (304, "")):
        alarms = answered(world, b"", status, Location=location)

        assert alarms, status
        assert world.files == before, status


def test_ca_that_is_away_for_a_moment_is_no_alarm(world):
    agent = away(world)

    assert agent.round(timedelta(minutes=1)) == []
    world.clock.advance(seconds=61)

    alarm, of_sessions = agent.round(timedelta(minutes=1))
    assert (alarm.level, alarm.about) == (Level.WARNING, "list")
    assert (of_sessions.level, of_sessions.about) == (Level.WARNING, "sessions")
    assert "nobody listens there" in alarm.sentence
    assert "is good for 6 days more" in alarm.sentence

    world.clock.advance(minutes=10)
    alarm, of_sessions = agent.round(timedelta(minutes=1))
    assert (alarm.level, of_sessions.level) == (Level.WARNING, Level.ERROR)


def test_alarm_grows_long_before_the_list_runs_out(world):
    agent = away(world)
    levels = {}
    for hour in range(0, 176, 4):
        levels[hour] = max(alarm.level for alarm in agent.round(timedelta(0)) if alarm.about == "list")
        world.clock.advance(hours=4)

    assert levels[0] == levels[60] == levels[128] == Level.WARNING
    assert levels[136] == levels[172] == Level.ERROR
    assert "has run out: the broker refuses every device" in sentences(agent.round(timedelta(0)))


def test_list_that_is_not_issued_anew_is_an_alarm_although_the_ca_answers(world, caplog):
    agent = world.agent()
    assert agent.once() == []
    world.clock.advance(hours=122)

    alarms = agent.once()

    assert {(alarm.level, alarm.about) for alarm in alarms} == {(Level.WARNING, "list")}
    assert "IOTmidCA runs out in 45 hours; then the broker refuses every device" in sentences(alarms)
    assert caplog.text.count("then the broker refuses every device") == 2
    world.issue_lists()
    assert agent.once() == []


def test_broker_that_cannot_be_reloaded_is_an_alarm_and_tried_again(world, tmp_path):
    script = tmp_path / "reload"
    script.write_text("#!/bin/sh\necho it does not run >&2\nexit 3\n")
    script.chmod(0o755)
    world.change("command = ['sh', '-c', 'echo reload", f"command = ['{script}', 'echo reload")
    agent = world.agent()

    (alarm,) = agent.once()
    assert (alarm.level, alarm.about) == (Level.ERROR, "reload")
    assert "ends with 3: it does not run" in alarm.sentence

    script.write_text("#!/bin/sh\n")
    assert agent.once() == []


def test_two_agents_do_not_get_in_each_others_way(world):
    with sole_user(world.directory), pytest.raises(FileTrouble, match="Another process writes into"):
        world.agent().once()


def away(world: World) -> Agent:
    """An agent that no CA answers."""
    world.change(f":{world.port}", ":1")
    return Agent(load(world.directory), world.clock)
