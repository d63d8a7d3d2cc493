"""Passphrase and pepper change under a server that goes on, and nothing is ever closed for good."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from app.bootstrap import open_services
from app.errors import ConfigurationError, InvalidInput, NotAllowed, WrongPassword
from app.files.private_keys import PrivateKeys
from app.files.secrets import SecretSource
from tests import ocsp
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, Installation

KEY_FILES = 5  # two CAs, their OCSP responders, the audit log


@pytest.fixture
def rotation(installation):
    return installation.services.key_rotation


def lines(installation: Installation, secret: str = "key_passphrase") -> list[bytes]:
    return getattr(installation.settings, secret).default.read_bytes().split(b"\n")[:-1]


def sealed_with(installation: Installation, passphrase: bytes) -> set[Path]:
    """The key files that the passphrase opens."""
    keys, opened = PrivateKeys(lambda: (passphrase,)), set()
    for path in installation.services.key_list.paths():
        try:
            keys.load(path)
        except ConfigurationError:
            continue
        opened.add(path)
    return opened


def certificates_of(paths) -> list[bytes]:
    return [path.read_bytes().partition(b"-----BEGIN CERTIFICATE-----")[2] for path in sorted(paths)]


def test_passphrase_that_cannot_be_read_back_takes_the_old_one_away_from_no_key(installation, rotation, monkeypatch):
    def fail(_source, *, create):
        raise ConfigurationError("Input/output error.")

    with monkeypatch.context() as patch:
        patch.setattr(SecretSource, "read", fail)
        with pytest.raises(ConfigurationError, match="run it again"):
            rotation.rotate_passphrase(ACTOR)
    new, old = lines(installation)
    assert sealed_with(installation, old) == set(installation.services.key_list.paths())

    assert rotation.rotate_passphrase(ACTOR) == KEY_FILES
    assert lines(installation) == [new]
    installation.open().services.database.close()


def test_every_key_is_sealed_with_the_new_passphrase_and_none_with_the_old(installation, rotation):
    paths = installation.services.key_list.paths()
    (old,), certificates = lines(installation), certificates_of(paths)
    assert sealed_with(installation, old) == set(paths)
    assert len(paths) == KEY_FILES

    assert rotation.rotate_passphrase(ACTOR) == KEY_FILES

    (new,) = lines(installation)
    assert new != old
    assert len(new) >= 43
    assert sealed_with(installation, new) == set(paths)
    assert sealed_with(installation, old) == set()
    assert certificates_of(paths) == certificates
    assert {path.stat().st_mode & 0o777 for path in paths} == {0o600}
    installation.open().services.database.close()


def test_rotation_is_audited_without_the_secrets(installation, rotation):
    rotation.rotate_passphrase(ACTOR)
    rotation.rotate_pepper(ACTOR)
    rotation.drop_peppers(ACTOR)

    entries = installation.services.checkpoints.log.entries()[-3:]
    assert [entry["action"] for entry in entries] == ["passphrase.rotated", "pepper.rotated", "pepper.dropped"]
    assert {entry["actor"] for entry in entries} == {"tester"}
    (secret,), (pepper,) = lines(installation), lines(installation, "pepper")
    assert secret.decode() not in str(entries)
    assert pepper.decode() not in str(entries)


def test_rotation_that_cannot_be_audited_does_not_happen(installation, rotation):
    before = lines(installation), lines(installation, "pepper")
    installation.break_inserts("audit_log")
    for act in (rotation.rotate_passphrase, rotation.rotate_pepper):
        with pytest.raises(Exception, match="cannot be used now"):
            act(ACTOR)
    installation.mend_inserts()

    assert (lines(installation), lines(installation, "pepper")) == before


def test_process_that_was_there_before_goes_on_and_seals_with_the_new_passphrase(installation, client):
    mid = installation.services.authorities.named("IOTmidCA")
    asked = ocsp.request(mid.certificate, 1)
    installation.services.ocsp.answer(asked)  # the responder is loaded
    other = installation.open().services
    other.key_rotation.rotate_passphrase(ACTOR)
    other.database.close()

    installation.services.ocsp.answer(asked)
    assert client.get("/ready").status_code == 200
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    installation.clock.advance(days=16)
    assert installation.services.ocsp.responders.renew_due(ACTOR) == 2
    installation.services.ocsp.answer(asked)
    assert sealed_with(installation, lines(installation)[0]) == set(installation.services.key_list.paths())


class Killed(BaseException):
    """The process ends here."""


def kill_at(monkeypatch, number: int, *, after: bool) -> None:
    """End the process at its so-and-so-many-th file, before or after it is put in place."""
    real, calls = os.replace, []

    def replace(*arguments):
        calls.append(arguments)
        if len(calls) == number and not after:
            raise Killed
        real(*arguments)
        if len(calls) == number:
            raise Killed

    monkeypatch.setattr("app.files.protected.os.replace", replace)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_after_a_kill_at_any_file_everything_opens_and_the_rotation_can_be_finished(
    installation, rotation, monkeypatch, after
):
    for number in range(1, KEY_FILES + 3):  # the passphrase comes first and last
        (old,) = lines(installation)
        with monkeypatch.context() as patched:
            kill_at(patched, number, after=after)
            with pytest.raises(Killed):
                rotation.rotate_passphrase(ACTOR)
        installation.open().services.database.close()

        rotation.rotate_passphrase(ACTOR)

        (new,) = lines(installation)
        assert new != old
        assert sealed_with(installation, new) == set(installation.services.key_list.paths())


def test_file_that_no_passphrase_opens_keeps_the_old_one(installation, rotation):
    stray = installation.settings.authority_files / "keys" / "stray.pem"
    stray.touch(0o600)
    stray.write_bytes(PrivateKeys(lambda: (b"something else altogether",)).seal(key()))
    (old,) = lines(installation)

    with pytest.raises(ConfigurationError, match=r"stray\.pem cannot be opened"):
        rotation.rotate_passphrase(ACTOR)
    assert old in lines(installation)
    installation.open().services.database.close()
    stray.unlink()
    rotation.rotate_passphrase(ACTOR)
    assert old not in lines(installation)


def test_key_that_is_gone_keeps_the_passphrase(installation, rotation):
    """It may be somewhere else and come back: a passphrase that opens it must not be taken away meanwhile."""
    before, path = lines(installation), installation.settings.authority_files / "keys" / "IOTmidCA.pem"
    path.rename(path.with_suffix(".away"))

    with pytest.raises(ConfigurationError, match=r"IOTmidCA\.pem is missing"):
        rotation.rotate_passphrase(ACTOR)

    assert lines(installation) == before


@pytest.mark.parametrize("secret", ["key_passphrase", "pepper"])
def test_file_that_cannot_be_written_changes_nothing(installation, rotation, monkeypatch, secret):
    before = lines(installation, secret)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.files.protected.os.fsync", full)
        with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
            (rotation.rotate_pepper if secret == "pepper" else rotation.rotate_passphrase)(ACTOR)
    assert lines(installation, secret) == before


@pytest.fixture(params=["environment", "credential"])
def given(request, make_installation, tmp_path):
    """An installation whose secrets are given to it; and how to give it others."""
    first = make_installation()
    secrets = {name: lines(first, name)[0].decode() for name in ("key_passphrase", "pepper")}
    first.services.database.close()

    def give(**changed: str) -> Installation:
        values = secrets | changed
        for path in (first.settings.data / "secrets").iterdir():
            if path.suffix != ".pem":
                path.unlink()
        if request.param == "environment":
            environment = {"MIDCA_KEY_PASSPHRASE": values["key_passphrase"], "MIDCA_PEPPER": values["pepper"]}
        else:
            directory = tmp_path / "credentials"
            directory.mkdir(exist_ok=True)
            (directory / "midca-key-passphrase").write_text(values["key_passphrase"])
            (directory / "midca-pepper").write_text(values["pepper"])
            environment = {"CREDENTIALS_DIRECTORY": str(directory)}
        given = first.again(**environment)
        opened.append(given)
        return given

    opened = []
    give.secrets = secrets
    yield give
    for each in opened:
        each.services.database.close()


def test_secret_that_is_given_is_changed_by_hand_in_the_steps_that_are_printed(given):
    installation = given()
    for act in (installation.services.key_rotation.rotate_passphrase, installation.services.key_rotation.rotate_pepper):
        with pytest.raises(NotAllowed, match=r"is not for midca to write(?s:.*)1\.(?s:.*)5\. Take the old one out"):
            act(ACTOR)
    old, new = given.secrets["key_passphrase"], "the operator's new passphrase"
    installation.add()

    both = given(key_passphrase=f"{new}\n{old}", pepper=f"the operator's new pepper\n{given.secrets['pepper']}")
    assert both.services.key_rotation.rotate_passphrase(ACTOR) == KEY_FILES

    last = given(key_passphrase=new, pepper=f"the operator's new pepper\n{given.secrets['pepper']}")
    assert {state.state for state in last.services.key_list.states()} == {"good"}
    last.sign("f60c28", "dojot", one_line(csr()))
    with pytest.raises(ConfigurationError, match="wrong passphrase"):
        given(key_passphrase=old)


# The pepper.


def test_old_passwords_count_on_and_new_ones_get_the_new_pepper(installation, rotation):
    installation.add("before", "correct horse")
    other = installation.open().services  # the running server
    pepper = rotation.rotate_pepper(ACTOR)
    installation.add("after", "battery staple")

    for name, password, number in (("before", "correct horse", 0), ("after", "battery staple", 1)):
        assert other.issuance.issue(name, password, one_line(csr(signing_key=key(number))), ACTOR)
    other.database.close()
    verifiers = dict(installation.sql("SELECT username, password_verifier FROM end_entities"))
    assert pepper.kid in verifiers["after"]
    assert pepper.kid not in verifiers["before"]


def uses(rotation) -> list[tuple[int, int]]:
    return [(use.waiting, use.spent) for use in rotation.pepper_uses()]


@pytest.mark.both_databases
def test_how_many_wait_for_each_pepper_is_counted(installation, rotation):
    for name in ("one", "two", "three"):
        installation.add(name)
    installation.sign("one", "dojot", one_line(csr()))
    assert uses(rotation) == [(2, 1)]

    rotation.rotate_pepper(ACTOR)
    installation.add("four")

    assert uses(rotation) == [(1, 0), (2, 1)]


def test_old_pepper_is_dropped_once_nobody_waits(installation, rotation):
    installation.add("one")
    rotation.rotate_pepper(ACTOR)
    assert rotation.drop_peppers(ACTOR) == []
    assert len(lines(installation, "pepper")) == 2

    installation.sign("one", "dojot", one_line(csr()))

    assert [use.spent for use in rotation.drop_peppers(ACTOR)] == [1]
    assert len(lines(installation, "pepper")) == 1
    assert uses(rotation) == [(0, 0), (0, 1)]  # what was hashed with the one that is gone
    assert rotation.drop_peppers(ACTOR) == []


def test_used_passwords_wait_too_where_they_can_be_used_again(make_installation):
    installation = make_installation(MIDCA_REENROL="always")
    installation.add("one")
    installation.sign("one", "dojot", one_line(csr()))
    rotation = installation.services.key_rotation
    rotation.rotate_pepper(ACTOR)

    assert rotation.drop_peppers(ACTOR) == []
    installation.clock.advance(hours=1)
    installation.sign("one", "dojot", one_line(csr(signing_key=key(1))))


def test_used_passwords_of_a_profile_with_a_renewal_window_wait_too(make_installation):
    installation = make_installation()
    path = installation.settings.profiles / "CFREE.yaml"
    path.write_text(path.read_text() + "renewal_window: 30\n")
    installation.services.profiles.reload()
    installation.add("one")
    installation.sign("one", "dojot", one_line(csr()))
    rotation = installation.services.key_rotation
    rotation.rotate_pepper(ACTOR)

    assert uses(rotation) == [(0, 0), (1, 0)]
    assert rotation.drop_peppers(ACTOR) == []


def test_needed_pepper_is_dropped_on_demand_and_its_passwords_are_void(installation, rotation):
    installation.add("one")
    rotation.rotate_pepper(ACTOR)

    assert [use.waiting for use in rotation.drop_peppers(ACTOR, needed=True)] == [1]

    with pytest.raises(WrongPassword):
        installation.sign("one", "dojot", one_line(csr()))
    installation.add("one")
    installation.sign("one", "dojot", one_line(csr()))


def test_old_pepper_ends_at_the_time_it_was_given(installation, rotation):
    installation.add("one")
    end = installation.clock() + timedelta(days=7)
    with pytest.raises(InvalidInput, match="in the future"):
        rotation.rotate_pepper(ACTOR, installation.clock())
    rotation.rotate_pepper(ACTOR, end)
    installation.clock.advance(days=7)

    with pytest.raises(WrongPassword):
        installation.sign("one", "dojot", one_line(csr()))
    assert [use.waiting for use in rotation.drop_peppers(ACTOR)] == [1]


def test_passwords_of_before_peppers_had_names_belong_to_the_oldest(installation, rotation):
    installation.add("one")
    verifier = installation.sql("SELECT password_verifier FROM end_entities")[0][0]
    _, method, _, salt, mac = verifier.split("$")
    installation.sql("UPDATE end_entities SET password_verifier = ?", f"ca1${method}${salt}${mac}")
    for _ in range(2):
        rotation.rotate_pepper(ACTOR)

    assert uses(rotation) == [(0, 0), (0, 0), (1, 0)]
    assert len(rotation.drop_peppers(ACTOR)) == 1
    installation.sign("one", "dojot", one_line(csr()))


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_kill_while_the_pepper_changes_leaves_every_password_good(installation, rotation, monkeypatch, after):
    installation.add("one")
    with monkeypatch.context() as patched:
        kill_at(patched, 1, after=after)
        with pytest.raises(Killed):
            rotation.rotate_pepper(ACTOR)

    installation.sign("one", "dojot", one_line(csr()))


def test_start_with_a_pepper_whose_end_makes_no_sense_is_refused(installation):
    path = installation.settings.pepper.default
    path.write_bytes(path.read_bytes() + b"another pepper 0123\tuntil soon\n")

    with pytest.raises(ConfigurationError, match="has an end that is no time"):
        open_services(installation.settings)


def test_list_tells_what_is_wrong_with_a_key(installation):
    keys = installation.settings.authority_files / "keys"
    (keys / "IOTrootCA.pem").write_bytes((keys / "IOTmidCA.pem").read_bytes())
    installation.settings.audit_key.chmod(0o644)

    states = {state.key: state.state for state in installation.services.key_list.states()}

    assert "does not fit its certificate" in states["CA IOTrootCA"]
    assert "must be 0600" in states["audit log"]
    assert states["CA IOTmidCA"] == states["OCSP responder IOTmidCA"] == "good"
