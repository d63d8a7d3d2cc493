"""Every check of the doctor finds what it is for, says what to do, and is quiet about the rest."""

import dataclasses
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest

from app.bootstrap import open_services
from app.command import _places, _weak_by_default, _weakened
from app.operations.doctor import CHECKS, Doctor, Finding, Level, Patient
from tests.backups import back_up
from tests.builders import csr, one_line
from tests.conftest import Installation, settings_for
from tests.files.test_tls_files import certificate_of
from tests.files.test_tls_files import private as private_key


def diagnosis(installation: Installation, *, weakened=(), places=None) -> list[tuple[str, Finding]]:
    def opened():
        return open_services(installation.settings, now=installation.clock).services

    patient = Patient(
        places or _places(installation.settings),
        opened,
        weakened,
        "0.1.0",
        installation.settings.tls,
        installation.clock,
    )
    found = list(Doctor(patient).run())
    if "services" in vars(patient):
        patient.services.database.close()
    return found


def found_by(installation: Installation, check: str, **options) -> list[tuple[Level, str]]:
    return [(finding.level, finding.says) for name, finding in diagnosis(installation, **options) if name == check]


def test_nothing_is_wrong_with_a_ca_that_was_just_made_and_backed_up(installation):
    back_up(installation)

    found = diagnosis(installation)

    assert list(dict.fromkeys(name for name, _ in found)) == list(CHECKS)
    assert [(name, finding) for name, finding in found if finding.level is not Level.OK] == []


def test_what_is_not_ok_comes_with_advice(installation):
    installation.add()
    installation.clock.advance(days=9)

    found = [finding for _, finding in diagnosis(installation, weakened=["A."]) if finding.level is not Level.OK]
    assert {finding.level for finding in found} == {Level.WARNING, Level.PROBLEM}
    assert all(finding.advice and finding.says.endswith(".") for finding in found)


def test_documentation_has_every_check_and_no_other():
    text = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    table = text.partition("<!-- held to app/operations/doctor/")[2].partition("## ")[0]

    assert re.findall(r"^\| `([a-z ]+)` \|", table, re.MULTILINE) == list(CHECKS)


def open_key(installation):
    (installation.settings.authority_files / "keys" / "IOTmidCA.pem").chmod(0o644)


def swap_keys(installation):
    keys = installation.settings.authority_files / "keys"
    (keys / "IOTmidCA.pem").write_bytes((keys / "IOTrootCA.pem").read_bytes())


def spoil_an_index(installation):
    [(number,)] = installation.sql("SELECT rootpage FROM sqlite_master WHERE name = 'certificates_by_subject'")
    installation.services.database.close()  # all is in the file then
    content = bytearray(installation.settings.database.read_bytes())
    page = int.from_bytes(content[16:18])
    begin, end = (number - 1) * page, number * page
    assert b"CN=IOTmidCA" in content[begin:end]
    content[begin:end] = content[begin:end].replace(b"CN=IOTmidCA", b"CN=IOTmidCB")
    installation.settings.database.write_bytes(content)


def lose_the_bytes(installation):
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    installation.sql("UPDATE certificates SET certificate = NULL WHERE certificate_type = 1")


def leave_pending(installation):
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    installation.sql("UPDATE certificates SET state = 'pending' WHERE certificate_type = 1")
    installation.clock.advance(minutes=10)


def days(number: float):
    return lambda installation: installation.clock.advance(days=number)


def end_of_ca(number: float):
    def until(installation):
        authority = installation.services.authorities.named("IOTmidCA")
        installation.clock.now = authority.certificate.not_valid_after_utc - timedelta(days=number)

    return until


FAULTS = {
    "others may enter": ("data directory", Level.WARNING, lambda made: made.settings.data.chmod(0o755), "mode 0755"),
    "an unfinished restore": (
        "data directory",
        Level.PROBLEM,
        lambda made: (made.settings.data / "midca.sqlite.restoring").touch(),
        "was not finished",
    ),
    "a key that others can read": (
        "secret files",
        Level.PROBLEM,
        open_key,
        "IOTmidCA.pem is open to others (mode 0644)",
    ),
    "a database that others can read": pytest.param(
        "secret files",
        Level.PROBLEM,
        lambda made: made.settings.database.chmod(0o660),
        "midca.sqlite is open to others",
        marks=pytest.mark.sqlite_only,
    ),
    "a key of another CA": ("start", Level.PROBLEM, swap_keys, "does not fit its certificate"),
    "a passphrase that is gone": (
        "start",
        Level.PROBLEM,
        lambda made: (made.settings.data / "secrets" / "key-passphrase").unlink(),
        "is missing",
    ),
    "a profile that makes no sense": (
        "start",
        Level.PROBLEM,
        lambda made: (made.settings.profiles / "CFREE.yaml").write_text("nonsense: 1\n"),
        "nonsense",
    ),
    "a CA that ends soon": ("ca lifetimes", Level.WARNING, end_of_ca(60), "CA IOTmidCA ends in 60 days"),
    "a CA that has ended": ("ca lifetimes", Level.PROBLEM, end_of_ca(-1), "CA IOTmidCA ended on"),
    "keys that cannot sign": ("signing keys", Level.PROBLEM, end_of_ca(-1), "has expired"),
    "a list that is overdue": ("revocation lists", Level.WARNING, days(6), "of CA IOTmidCA is good until"),
    "a list that has run out": ("revocation lists", Level.PROBLEM, days(8), "has run out"),
    "a responder that is overdue": (
        "ocsp responders",
        Level.WARNING,
        days(25),
        "responder of CA IOTmidCA ends",
    ),
    "a responder that has ended": ("ocsp responders", Level.PROBLEM, days(31), "has no valid certificate"),
    "a damaged database": pytest.param(
        "database", Level.PROBLEM, spoil_an_index, "SQLite finds", marks=pytest.mark.sqlite_only
    ),
    "an index that is gone": (
        "schema",
        Level.PROBLEM,
        lambda made: made.sql("DROP INDEX certificates_by_subject"),
        "certificates_by_subject in the database is not as",
    ),
    "a column that is gone": (
        "schema",
        Level.PROBLEM,
        lambda made: made.sql("ALTER TABLE end_entities DROP COLUMN send_notification"),
        "end_entities",
    ),
    "a clock that was set back": (
        "clock",
        Level.PROBLEM,
        days(-2),
        " behind th",
    ),  # of the last entry or, with PostgreSQL, of the server
    "the disk's clock differs": ("file system clock", Level.WARNING, days(1), "away from the system's"),
    "a certificate that stays pending": (
        "pending certificates",
        Level.WARNING,
        leave_pending,
        "1 certificates are recorded to be signed",
    ),
    "the default password waits": (
        "default passwords",
        Level.WARNING,
        lambda made: [made.add(), made.add("safe", "a good password")],
        "1 end entities wait",
    ),
    "another server's pepper": (
        "peppers",
        Level.WARNING,
        lambda made: [made.add(), made.settings.pepper.default.write_text("0" * 64)],
        "1 passwords were hashed with the pepper",
    ),
    "a profile that is gone": (
        "end entities",
        Level.WARNING,
        lambda made: [made.add(), made.sql("UPDATE end_entities SET certificate_profile = 'GONE'")],
        "Certificate profile GONE does not exist",
    ),
    "entries without a checkpoint": (
        "audit log",
        Level.WARNING,
        lambda made: [made.add(), made.clock.advance(hours=1)],
        "wait for a checkpoint",
    ),
    "a log that was cut off": (
        "audit log",
        Level.PROBLEM,
        lambda made: [made.add(), made.services.checkpoints.write(), made.sql("DELETE FROM audit_log WHERE seq > 3")],
        "a checkpoint covers",
    ),
    "no backup": ("backup", Level.WARNING, lambda _: None, "No backup was ever made"),
    "an old backup": (
        "backup",
        Level.WARNING,
        lambda made: [back_up(made), made.clock.advance(days=8)],
        "The last backup",
    ),
    "certificates without their bytes": ("restores", Level.WARNING, lose_the_bytes, "Of 1 certificates in force only"),
}


@pytest.mark.parametrize(("check", "level", "fault", "says"), FAULTS.values(), ids=FAULTS)
def test_fault_is_found_by_the_check_for_it(installation, check, level, fault, says):
    fault(installation)
    installation.services.database.close()

    found = found_by(installation, check)

    assert any(one is level and says in sentence for one, sentence in found), found
    installation.oracle.file.unlink(missing_ok=True)  # some of these faults are losses of what was signed


def test_what_can_be_looked_at_is_looked_at_where_midca_cannot_start(installation):
    open_key(installation)

    assert [name for name, _ in diagnosis(installation)][-1] == "start"
    assert {name for name, _ in diagnosis(installation)} == {
        "data directory",
        "secret files",
        "file system clock",
        "settings",
        "tls certificate",
        "start",
    }


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_key_of_another_user_is_found(installation):
    os.chown(installation.settings.authority_files / "keys" / "IOTmidCA.pem", 12345, 12345)

    assert any("belongs to another user (uid 12345)" in says for _, says in found_by(installation, "secret files"))


def test_directory_that_is_not_there_is_a_problem_and_nothing_is_made(installation, tmp_path):
    places = dataclasses.replace(_places(installation.settings), data=tmp_path / "none")

    assert found_by(installation, "data directory", places=places) == [
        (Level.PROBLEM, f"There is no directory {tmp_path / 'none'}.")
    ]
    assert not (tmp_path / "none").exists()


def test_checkpoints_that_cannot_be_written_are_told_of_before_one_is_missed(installation, tmp_path):
    folder = tmp_path / "not mounted"
    places = dataclasses.replace(_places(installation.settings), checkpoints=folder / "audit.checkpoints")

    assert found_by(installation, "audit log", places=places)[0] == (
        Level.WARNING,
        f"There is no directory {folder}: no checkpoint of the audit log can be written.",
    )


@pytest.mark.sqlite_only
def test_room_for_a_copy_of_the_database_is_wanted(installation):
    with installation.settings.database.open("r+b") as file:
        file.truncate(1 << 42)  # sparse
    (_, says), *_ = found_by(installation, "disk")
    assert "would do for growth and a backup" in says


WEAK = {
    "MIDCA_TRUSTED_NETWORKS": ("10.0.0.0/8", "every host in 10.0.0.0/8"),
    "MIDCA_REENROL": ("always", "any number of certificates"),
    "MIDCA_REARM": ("always", "arms its default password"),
    "MIDCA_PEPPER": ("0123456789abcdef", "a secret is in the environment"),
}


@pytest.mark.parametrize("name", WEAK)
def test_setting_that_weakens_is_named(tmp_path, name):
    value, says = WEAK[name]

    (sentence,) = _weakened(settings_for(tmp_path, **{name: value}))
    assert says in sentence
    assert name in sentence


def test_defaults_that_are_weak_are_named_until_somebody_chooses(installation):
    assert len(list(_weak_by_default(installation.settings))) == 2
    assert list(_weakened(installation.settings)) == []
    settings = settings_for(installation.base / "other", MIDCA_DEFAULT_PASSWORD="none")
    assert list(_weak_by_default(settings)) == []


def test_weakened_settings_are_warnings(installation):
    assert found_by(installation, "settings", weakened=["A.", "B."]) == [(Level.WARNING, "A."), (Level.WARNING, "B.")]


@pytest.mark.parametrize(
    ("days", "found"),
    [
        (-30, (Level.OK, r"The TLS certificate .*tls\.crt ends on ")),
        (-7, (Level.WARNING, r"The TLS certificate .*tls\.crt ends in 7 days\.")),
        (1, (Level.PROBLEM, r"The TLS certificate .*tls\.crt ended on ")),
    ],
)
def test_end_of_the_tls_certificate_is_told_of_before_it_comes(make_installation, tmp_path, days, found):
    certificate, private = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_bytes(certificate_of(0))
    private.write_bytes(private_key(0))
    private.chmod(0o600)
    installation = make_installation(MIDCA_TLS_CERTIFICATE=str(certificate), MIDCA_TLS_KEY=str(private))
    installation.clock.now = installation.settings.tls.leaf().not_valid_after_utc + timedelta(days=days)

    [(level, says)] = found_by(installation, "tls certificate")
    assert level is found[0]
    assert re.match(found[1], says)

    private.unlink()
    assert found_by(installation, "tls certificate") == [
        (Level.PROBLEM, f"{private} cannot be read: No such file or directory.")
    ]
