"""What becomes of a CA that was restored: nothing comes twice, and the log says what happened (F23)."""

import shutil
import uuid
from functools import partial

import pytest
from cryptography import x509

from app.bootstrap import open_services
from app.command import _places
from app.errors import ConfigurationError, Conflict, InvalidInput, Refusal
from app.files.checkpoint_files import CheckpointFile
from app.operations.actor import SYSTEM
from app.operations.audit_verification import AuditVerification
from app.operations.restoring import LIST_NUMBERS, Restoring
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.storage import open_database
from app.store.audit_log import Action
from app.store.certificates import CertificateState
from tests.backups import PASSPHRASE, RestoredInstallation, back_up, export, restore
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, settings_for
from tests.signer_oracle import SignerOracle, recorded


@pytest.fixture
def restored(installation):
    """Restore a backup of the installation, with options; what it signs afterwards is checked as that of any other."""
    made = []

    def restored(file, **options) -> RestoredInstallation:
        made.append(RestoredInstallation(installation, file, **options))
        return made[-1]

    yield restored
    for one in made:
        one.check()
        one.services.database.close()


def enrol(installation, name: str, number: int = 0) -> str:
    """Register and enrol a device; return the serial."""
    installation.add(name)
    return installation.sign(name, "dojot", one_line(csr(name, signing_key=key(number)))).serial


def numbers(installation) -> list[int]:
    return [row[0] for row in installation.sql("SELECT number FROM revocation_lists ORDER BY number")]


def findings(installation, **copies) -> tuple[list[str], tuple[str, ...]]:
    done = AuditVerification(installation.services.checkpoints).run(**copies)
    return [finding.sentence for finding in done.findings.found], done.notes


@pytest.mark.both_databases
def test_certificates_and_end_entities_are_as_in_the_backup(installation, restored):
    serial = enrol(installation, "f60c28")
    file = back_up(installation).path
    enrol(installation, "later", 1)

    after = restored(file)

    stored = after.services.certificates.find("IOTmidCA", serial)
    assert stored == installation.services.certificates.find("IOTmidCA", serial)
    assert after.certificates() == 1
    assert after.services.end_entities.find("f60c28").status is EndEntityStatus.GENERATED
    assert after.done.entries == installation.last_audit()["seq"] - 4  # the backup itself, and three of the later one


def test_password_that_was_spent_since_is_good_for_nothing(installation, restored):
    installation.add()
    file = back_up(installation).path
    installation.sign("f60c28", "dojot", one_line(csr()))

    after = restored(file)

    assert after.done.passwords_ended == 1
    with pytest.raises(Refusal, match="invalid password"):
        after.sign("f60c28", "dojot", one_line(csr(signing_key=key(1))))
    after.services.end_entities.rearm("f60c28", "another one", ACTOR)
    assert after.sign("f60c28", "another one", one_line(csr(signing_key=key(1))))


def test_token_that_was_revoked_since_is_good_for_nothing(installation, restored):
    token = installation.services.tokens.create("second", ACTOR)
    file = back_up(installation).path
    installation.services.tokens.revoke("second", ACTOR)

    after = restored(file)

    assert after.services.tokens.recognise(token) is None
    assert after.services.tokens.recognise(installation.settings.admin_token.read_text().strip()) is None
    assert after.done.tokens_ended == 2


def test_credentials_are_kept_when_asked(installation, restored):
    installation.add()
    after = restored(back_up(installation).path, keep_credentials=True)

    assert after.services.tokens.recognise(installation.settings.admin_token.read_text().strip()) is not None
    assert after.sign("f60c28", "dojot", one_line(csr()))
    assert (after.done.passwords_ended, after.done.tokens_ended) == (0, 0)


def test_lists_get_numbers_far_above_any_that_may_have_been_given_out(installation, restored):
    file = back_up(installation).path
    authority = installation.services.authorities.named("IOTmidCA")
    for _ in range(20):  # more than one a second: the numbers run ahead of the clock
        installation.services.revocation_lists.issue(authority, ACTOR)
    given_out = numbers(installation)[-1]

    after = restored(file)

    newest = after.services.revocation_lists.latest(after.services.authorities.named("IOTmidCA"))
    assert newest.number > installation.clock().timestamp() + LIST_NUMBERS
    assert newest.number > given_out
    assert len(numbers(after)) == 4  # two of the backup, and a new one for each CA from the start on
    assert not set(numbers(after)[2:]) & set(numbers(installation))


def test_log_goes_on_with_an_entry_of_its_own_and_verifies(installation, restored):
    enrol(installation, "f60c28")
    made = back_up(installation)
    after = restored(made.path)

    (entry,) = [
        entry for entry in after.services.checkpoints.log.entries() if entry["action"] == Action.BACKUP_RESTORED
    ]
    assert (entry["object"], entry["entries"], entry["seq"]) == ("backup.tar", made.entries, made.entries + 1)
    found, notes = findings(after)
    assert found == []
    (note,) = notes
    assert note.startswith(f"Entry {entry['seq']} tells of a restore from a backup")


def test_checkpoints_of_what_was_lost_are_explained_and_those_of_since_bind(installation, restored, tmp_path):
    file = back_up(installation).path
    enrol(installation, "lost")
    lost = installation.services.checkpoints.write()
    kept = shutil.copy(installation.settings.audit_checkpoints, tmp_path / "kept")
    log = export(installation)

    after = restored(file)
    enrol(after, "since")
    since = after.services.checkpoints.write()

    assert since.origin != lost.origin
    found, notes = findings(after, files=[kept], exports=[log])
    assert found == []
    assert f"to {lost.size}, which the backup did not have and are lost" in notes[0]
    last = after.last_audit()["seq"]
    assert last == since.size
    after.sql("DELETE FROM audit_log WHERE seq = ?", last)
    assert f"The log has {last - 1} entries, a checkpoint covers {last}." in findings(after)[0]


def test_checkpoints_of_before_still_bind_what_came_with_the_backup(installation, restored):
    enrol(installation, "f60c28")
    installation.services.checkpoints.write()
    after = restored(back_up(installation).path)

    after.sql("UPDATE audit_log SET entry = replace(entry, 'tester', 'nobody') WHERE seq = 14")

    assert any("Entry 14" in sentence for sentence in findings(after)[0])


def test_restore_that_no_entry_tells_of_explains_nothing(installation):
    verifier = str(installation.services.checkpoints.signer.verifier)
    installation.sql("INSERT INTO restores VALUES (5, '2026-01-01T00:00:00+00:00', ?, 0)", verifier)

    assert "The log and the record differ in whether entry 5 is a restore." in findings(installation)[0]


def test_saved_checkpoints_elsewhere_do_not_keep_the_restored_log_from_its_own(installation, restored, tmp_path):
    file = back_up(installation).path
    enrol(installation, "lost")
    installation.services.checkpoints.write()
    after = restored(file)
    shutil.copy(installation.settings.audit_checkpoints, after.settings.audit_checkpoints)

    after.services.checkpoints.check_saved()
    enrol(after, "since")
    written = after.services.checkpoints.write()

    assert CheckpointFile(after.settings.audit_checkpoints).newest() == written
    assert findings(after)[0] == []


def test_key_of_checkpoints_of_before_is_not_put_back_unnoticed(installation, restored):
    after = restored(back_up(installation).path)
    enrol(after, "f60c28")
    after.services.checkpoints.write()
    shutil.copy(installation.settings.audit_key, after.settings.audit_key)

    with pytest.raises(ConfigurationError, match="is the one of before a restore"):
        after.open()


def test_restored_ca_can_be_backed_up_and_restored_once_more(installation, restored):
    first = restored(back_up(installation).path)
    enrol(first, "f60c28")
    first.services.checkpoints.write()

    second = RestoredInstallation(first, back_up(first).path)

    found, notes = findings(second, files=[installation.settings.audit_checkpoints, first.settings.audit_checkpoints])
    assert (found, len(notes)) == ([], 2)
    assert numbers(second)[-1] > numbers(first)[-1]
    second.services.database.close()


# ------------------------------------------------------------------------------------------- with an export of the log


@pytest.fixture
def lived_on(installation):
    return live_on(installation)


def live_on(installation):
    """Back the CA up, and have it do a little of everything then; keep its serials by name."""
    for number, name in enumerate(("good", "held", "compromised")):
        enrol(installation, name, number)
    installation.add("waits")
    installation.add("rearmed")
    installation.add("removed")
    installation.services.tokens.create("old", ACTOR)
    installation.file = back_up(installation).path
    revocation, entities = installation.services.revocation, installation.services.end_entities
    serials = {name: installation.services.certificates.of_user(name)[0].serial for name in ("held", "compromised")}
    revocation.change("IOTmidCA", serials["held"], RevocationReason.CERTIFICATEHOLD, ACTOR)
    revocation.change("IOTmidCA", serials["compromised"], RevocationReason.KEYCOMPROMISE, ACTOR)
    serials["new"] = enrol(installation, "new", 3)
    serials["waits"] = installation.sign("waits", "dojot", one_line(csr("waits", signing_key=key(4)))).serial
    entities.rearm("rearmed", "another one", ACTOR)
    entities.delete("removed", ACTOR)
    entities.revoke("good", RevocationReason.CESSATIONOFOPERATION, ACTOR)
    revocation.change("IOTmidCA", serials["held"], RevocationReason.NOTREVOKED, ACTOR)
    installation.services.revocation_lists.issue_due(ACTOR)
    installation.services.tokens.revoke("old", ACTOR)
    installation.token = installation.services.tokens.create("new", ACTOR)
    installation.serials = serials
    installation.log = export(installation)
    return installation


def test_what_the_export_tells_is_done_again(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)

    rows = (
        "SELECT serial, state, revocation_reason, username, subject_dn, not_after, public_key_sha256 FROM certificates "
    )
    known = f"{rows} WHERE username NOT LIKE '%/OCSP' ORDER BY serial"
    assert after.sql(known) == lived_on.sql(known)
    tbs = "SELECT tbs_sha256 FROM certificates"
    assert set(lived_on.sql(tbs)) <= set(after.sql(tbs))
    find = after.services.end_entities.find
    assert find("waits").status is EndEntityStatus.GENERATED
    assert find("good").status is EndEntityStatus.REVOKED
    assert find("rearmed").status is EndEntityStatus.NEW
    with pytest.raises(Refusal):
        find("removed")
    assert after.done.replayed == len(lived_on.services.checkpoints.log.entries()) - after.done.entries


def test_log_with_its_export_is_whole_again_and_nothing_is_lost(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)

    found, notes = findings(after, files=[lived_on.settings.audit_checkpoints], exports=[lived_on.log])
    assert found == []
    assert "lost" not in notes[0]
    assert after.done.lost == 0
    entries = after.services.checkpoints.log.entries()
    assert entries[: len(lived_on.services.checkpoints.log.entries())] == lived_on.services.checkpoints.log.entries()


def test_all_that_was_signed_before_is_on_record_after(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)

    assert set(lived_on.oracle.signed()) <= recorded(after.settings.database)


def test_revocations_of_since_are_on_the_next_list_and_certificates_of_since_can_be_revoked(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)

    assert set(listed(after)) == {lived_on.serials["compromised"], *serials_of(lived_on, "good")}
    after.services.revocation.change("IOTmidCA", lived_on.serials["new"], RevocationReason.KEYCOMPROMISE, ACTOR)
    after.services.revocation_lists.issue_due(SYSTEM)
    assert lived_on.serials["new"] in listed(after)
    assert findings(after)[0] == []


def listed(installation) -> list[str]:
    authority = installation.services.authorities.named("IOTmidCA")
    crl = x509.load_der_x509_crl(installation.services.revocation_lists.latest(authority).crl)
    return [f"{entry.serial_number:X}" for entry in crl]


def serials_of(installation, name: str) -> list[str]:
    return [stored.serial for stored in installation.services.certificates.of_user(name)]


def test_password_of_which_the_export_tells_ends_even_when_credentials_are_kept(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log, keep_credentials=True)

    for name, password in (("waits", "dojot"), ("rearmed", "dojot"), ("rearmed", "another one")):
        with pytest.raises(Refusal):
            after.sign(name, password, one_line(csr(name, signing_key=key(5))))
    tokens = {token.name: token.revoked_at is None for token in after.services.tokens.store.all()}
    assert tokens == {"admin": True, "old": False, "new": True}
    assert after.services.tokens.recognise(lived_on.token).name == "new"


def test_certificate_of_which_only_the_record_is_left_is_not_handed_out(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)

    stored = after.services.certificates.find("IOTmidCA", lived_on.serials["new"])
    assert (stored.state, stored.certificate) == (CertificateState.ISSUED, None)
    assert after.services.certificates.count_without_bytes(after.clock()) == 2


def test_key_that_was_certified_since_belongs_to_its_holder(lived_on, restored):
    after = restored(lived_on.file, export=lived_on.log)
    after.add("thief")

    with pytest.raises(Refusal, match="key"):
        after.sign("thief", "dojot", one_line(csr("thief", signing_key=key(3))))


def test_export_of_an_older_midca_is_taken_with_what_it_says(installation, restored, monkeypatch):
    """Before restores were thought of, an entry held no dates, no key and no subject."""
    monkeypatch.setattr("app.operations.recorded_signing.recorded_fields", lambda _: {})
    live_on(installation)

    after = restored(installation.file, export=installation.log)

    stored = after.services.certificates.find("IOTmidCA", installation.serials["new"])
    ca = after.services.authorities.named("IOTmidCA").certificate
    assert (stored.not_after, stored.public_key_sha256) == (ca.not_valid_after_utc, "")
    assert findings(after)[0] == []


WRONG_EXPORTS = {
    "another entry": (
        lambda text: text.replace('"object":"new"', '"object":"evil"'),
        "are not those that its checkpoint",
    ),
    "an entry is missing": (lambda text: "\n".join(text.split("\n")[:-12] + text.split("\n")[-11:]), "has no entry"),
    "no checkpoint": (lambda text: text.rpartition("}\n")[0] + "}\n", "no checkpoint of the backup's audit log"),
    "a line that is none": (lambda text: text.replace('"action":"token.created"', '"action":'), "no audit entry"),
    "a field is missing": (lambda text: text.replace('"serial":', '"serie":'), "no audit entry"),
}


@pytest.mark.parametrize(("change", "sentence"), WRONG_EXPORTS.values(), ids=WRONG_EXPORTS)
def test_export_that_is_not_what_its_checkpoint_covers_is_refused_and_nothing_is_restored(lived_on, change, sentence):
    lived_on.log.write_text(change(lived_on.log.read_text()))
    base = lived_on.base / "other"

    with pytest.raises(InvalidInput, match=sentence):
        restore(base, lived_on.file, export=lived_on.log)
    assert not (base / "data" / "midca.sqlite").exists()
    with pytest.raises(ConfigurationError, match="run midca restore again"):
        open_services(settings_for(base, MIDCA_PROFILES=str(lived_on.base / "profiles")), create=True)


def test_export_of_another_ca_is_refused(lived_on, make_installation):
    other = make_installation()
    other.services.database.close()
    other.settings.audit_key.unlink()
    other.sql("DELETE FROM audit_checkpoints")
    other.settings.audit_checkpoints.unlink()
    other.services = other.open().services
    for number in range(60):
        other.add(f"device{number}")

    with pytest.raises(InvalidInput, match="no checkpoint of the backup's audit log"):
        restore(lived_on.base / "other", lived_on.file, export=export(other))


def test_export_that_is_older_than_the_backup_is_refused(installation):
    log = export(installation)
    installation.add()

    with pytest.raises(InvalidInput, match="is older than the backup"):
        restore(installation.base / "other", back_up(installation).path, export=log)


# ------------------------------------------------------------------------------------------------ where it is restored


def test_into_an_empty_postgresql_and_no_other(installation, postgresql):
    enrol(installation, "f60c28")
    file = back_up(installation).path
    base = installation.base / "other"
    shutil.copytree(installation.base / "profiles", base / "profiles")
    settings = settings_for(base, MIDCA_DATABASE=postgresql.create(f"restored_{uuid.uuid4().hex}"))
    restoring = Restoring(_places(settings), installation.clock, partial(open_database, settings, create=True))

    restoring.run(file, ACTOR, passphrase=str)

    assert not settings.database.exists()
    for name in ("ca/keys", "secrets"):
        shutil.copytree(installation.settings.data / name, settings.data / name, dirs_exist_ok=True)
    oracle = SignerOracle(base / "oracle")
    services = open_services(settings, create=True, now=installation.clock, signing_key=oracle.wrap).services
    assert AuditVerification(services.checkpoints).run().findings.found == []
    assert len(services.certificates.of_user("f60c28")) == 1
    assert services.checkpoints.restores.all()[0].list_number > installation.clock().timestamp()
    services.database.close()
    shutil.rmtree(settings.data)
    with pytest.raises(Conflict, match="is not empty"):
        restoring.run(file, ACTOR, passphrase=str)


def test_directory_that_is_not_empty_is_refused_and_left_alone(installation):
    file = back_up(installation).path
    before = {path: path.read_bytes() for path in installation.settings.data.rglob("*") if path.is_file()}

    with pytest.raises(Conflict, match="is not empty"):
        restore(installation.base, file)
    assert {path: path.read_bytes() for path in installation.settings.data.rglob("*") if path.is_file()} == before


def test_damaged_backup_is_refused_and_nothing_starts_from_it(installation):
    file = back_up(installation).path
    content = bytearray(file.read_bytes())
    at = content.index(b"CREATE TABLE end_entities")
    content[at] ^= 1
    file.write_bytes(content)
    base = installation.base / "other"

    with pytest.raises(InvalidInput, match=r"midca\.sqlite is not what was backed up"):
        restore(base, file)
    with pytest.raises(ConfigurationError, match="run midca restore again"):
        open_services(settings_for(base, MIDCA_PROFILES=str(installation.base / "profiles")), create=True)


def test_sealed_secrets_come_back_private_and_the_ca_signs_with_them(installation):
    file = back_up(installation, passphrase=PASSPHRASE).path
    base = installation.base / "other"
    base.mkdir()
    (base / "profiles").symlink_to(installation.base / "profiles")
    with pytest.raises(InvalidInput, match="does not open"):
        restore(base, file, passphrase="another passphrase")
    assert not (base / "data" / "midca.sqlite").exists()

    assert restore(base, file).with_keys

    data = base / "data"
    for path in [*(data / "ca" / "keys").iterdir(), *(data / "secrets").iterdir(), data / "midca.sqlite"]:
        assert path.stat().st_mode & 0o077 == 0, path
    for path in (data / "ca", data / "ca" / "keys", data / "secrets"):
        assert path.stat().st_mode & 0o077 == 0, path
    opened = open_services(settings_for(base), create=True)
    assert opened.services.readiness.check()["keys"] == "ok"
    opened.services.database.close()


def test_profiles_that_differ_from_those_in_use_lie_beside_the_rest(installation):
    file = back_up(installation).path
    base = installation.base / "other"
    shutil.copytree(installation.base / "profiles", base / "profiles")
    assert restore(base, file).profiles is None
    shutil.rmtree(base / "data")
    (base / "profiles" / "CFREE.yaml").write_text("key: {}\n")

    done = restore(base, file)

    assert (done.profiles / "CFREE.yaml").read_text() == (installation.base / "profiles" / "CFREE.yaml").read_text()
    assert (base / "profiles" / "CFREE.yaml").read_text() == "key: {}\n"
