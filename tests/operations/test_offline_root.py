"""A root whose key is away: never below the data directory, missed by nothing, and told of when it is needed."""

import hashlib
import logging
import os
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.bootstrap import open_services
from app.errors import ConfigurationError, SigningUnavailable
from app.offline_root import Medium
from app.web import create_app
from tests import ocsp
from tests.builders import HIERARCHY, csr, one_line, profiles_directory
from tests.conftest import ACTOR, settings_for
from tests.offline import CIRCUMSTANCES, FAST, OfflineInstallation, pem

DAY = timedelta(days=1)


@pytest.fixture
def client(offline):
    return create_app(offline.services).test_client()


@pytest.fixture
def root(offline):
    return offline.services.authorities.named("IOTrootCA")


def admin(installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {installation.settings.admin_token.read_text().strip()}"}


def private_keys(directory: Path, *passphrase_files: Path) -> dict[str, object]:
    """Every private key below the directory that one of the passphrases opens, by its file."""
    passphrases = [path.read_bytes().strip() for path in passphrase_files]
    found = {}
    for path in directory.rglob("*"):
        for passphrase in [None, *passphrases] if path.is_file() else ():
            try:
                key = serialization.load_pem_private_key(path.read_bytes(), passphrase)
            except (ValueError, TypeError):
                continue
            found[str(path.relative_to(directory))] = key.public_key()
    return found


def test_key_of_the_root_is_on_the_medium_and_nowhere_else(offline, root):
    passphrases = (offline.medium / "key-passphrase", offline.settings.key_passphrase.default)
    below, on_medium = private_keys(offline.settings.data, *passphrases), private_keys(offline.medium, *passphrases)

    assert set(below) == {
        "ca/keys/IOTmidCA.pem",
        "ca/ocsp/IOTmidCA.pem",
        "ca/ocsp/IOTrootCA.pem",
        "secrets/audit-key.pem",
    }
    assert set(on_medium) == {"keys/IOTrootCA.pem"}
    assert root.certificate.public_key() in on_medium.values()
    assert root.certificate.public_key() not in below.values()
    assert root.key is None


@pytest.mark.parametrize("mask", [0o000, 0o077])
def test_medium_is_its_owners_alone_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        made = OfflineInstallation(tmp_path)
    finally:
        os.umask(before)
    made.close()

    def mode(path: str) -> int:
        return (made.medium / path).stat().st_mode & 0o777

    assert {mode("."), mode("keys"), mode("records")} == {0o700}
    assert {mode("keys/IOTrootCA.pem"), mode("key-passphrase")} == {0o600}


def test_record_of_the_first_ceremony_is_a_text_that_the_audit_log_knows(offline):
    path = next((offline.medium / "records").glob("*-init.txt"))
    text = path.read_text()

    for word in ("Ada Lovelace", "midca init --root-out medium", "midca test"):
        assert word in text
    for certificate in offline.services.authorities.named("IOTmidCA").chain:
        assert hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).hexdigest() in text
    entry = offline.services.checkpoints.log.search(1, action="ceremony.recorded")[0]
    assert entry["ceremony_sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()


def test_another_medium_than_the_one_with_the_key_is_refused_and_gets_nothing_of_the_root(offline, tmp_path):
    other = tmp_path / "other"

    with pytest.raises(ConfigurationError, match=r"There is no key of CA IOTrootCA in .*other/keys"):
        open_services(offline.settings, create=True, medium=Medium(other, None, CIRCUMSTANCES))

    assert not (other / "certificates").exists()


def test_ca_works_without_the_medium(offline, client, root):
    offline.medium.rename(offline.base / "in a safe")
    offline.add()

    issued = offline.sign("f60c28", "dojot", one_line(csr()))

    issued.certificate.verify_directly_issued_by(offline.mid)
    ready = client.get("/ready")
    assert (ready.status_code, ready.json["warnings"]) == (200, [])
    assert offline.services.audit_verification.run().findings.found == []
    assert ocsp.post(client, ocsp.request(root.certificate, offline.mid.serial_number)).response_status.name == (
        "SUCCESSFUL"
    )


@pytest.mark.parametrize("path", ["/ca/IOTrootCA/crl?update=true", "/ca/IOTrootCA/crl", "/pki/IOTrootCA.crl"])
def test_list_of_the_root_is_handed_out_and_good_for_a_year(offline, client, path):
    offline.clock.advance(days=364)

    assert client.get(path).status_code == 200
    stored = offline.services.revocation_lists.latest(offline.services.authorities.named("IOTrootCA"))
    assert stored.next_update - stored.this_update == 365 * DAY + timedelta(minutes=10)


def test_upkeep_neither_fails_nor_tries_for_what_only_the_medium_can_do(offline, caplog):
    signed = None
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            offline.clock.advance(days=100)
            for chore in offline.services.upkeep.chores.values():
                chore(ACTOR)
            rows = offline.sql("SELECT count(*) FROM certificates WHERE ca_name = 'IOTrootCA'")
            assert rows == (signed or rows)
            signed = rows
    assert {record.levelname for record in caplog.records} <= {"WARNING"}
    assert "no CRL" not in caplog.text


@pytest.mark.parametrize(("days", "status", "warnings"), [(300, 200, 0), (310, 200, 2), (364, 200, 2), (366, 503, 2)])
def test_warning_comes_two_months_before_and_ready_fails_only_at_the_end(offline, client, days, status, warnings):
    offline.clock.advance(days=days)
    offline.services.upkeep.do_due(ACTOR)

    answer = client.get("/ready")

    assert answer.status_code == status, answer.json
    assert len(answer.json["warnings"]) == warnings
    assert all("hold a ceremony" in warning for warning in answer.json["warnings"])
    metrics = client.get("/metrics", headers=admin(offline)).text
    assert f"midca_warnings {float(warnings)}" in metrics


def test_warning_is_logged_once_a_day(offline, caplog):
    offline.clock.advance(days=330)
    for _ in range(3):
        offline.services.upkeep.do_due(ACTOR)
    assert caplog.text.count("The CRL of CA IOTrootCA ends at") == 1
    offline.clock.advance(days=1)
    offline.services.upkeep.do_due(ACTOR)
    assert caplog.text.count("The CRL of CA IOTrootCA ends at") == 2


def test_missing_responder_of_the_root_is_told_and_not_made(offline, client):
    offline.services.ocsp.responders.files.path("IOTrootCA").unlink()

    offline.services.upkeep.do_due(ACTOR)

    answer = client.get("/ready")
    assert answer.status_code == 200
    assert ["no valid certificate for its OCSP responder" in warning for warning in answer.json["warnings"]] == [True]


def test_list_cannot_be_issued_by_the_server_and_the_sentence_says_how(offline, root, client):
    with pytest.raises(SigningUnavailable, match="midca ceremony crl"):
        offline.services.revocation_lists.issue(root, ACTOR)
    assert client.put("/ca/IOTrootCA/crl", headers=admin(offline)).status_code == 503


def test_lists_at_urls_say_whose_they_are_and_no_delta_is_promised(make_offline):
    offline = make_offline(MIDCA_PUBLIC_URL="http://ca.example.org", MIDCA_DELTA_CRL_HOURS="24")
    client = create_app(offline.services).test_client()

    at_url = x509.load_der_x509_crl(client.get("/pki/IOTrootCA.crl").data)
    point = at_url.extensions.get_extension_for_class(x509.IssuingDistributionPoint)
    assert point.critical
    assert [name.value for name in point.value.full_name] == ["http://ca.example.org/pki/IOTrootCA.crl"]
    with pytest.raises(x509.ExtensionNotFound):
        offline.mid.extensions.get_extension_for_class(x509.FreshestCRL)
    assert client.get("/pki/IOTrootCA~delta.crl").status_code == 404
    assert client.get("/pki/IOTmidCA~delta.crl").status_code == 200
    assert client.get("/pki/IOTmidCA.bundle.pem").data.count(b"BEGIN X509 CRL") == 2
    assert client.get("/ready").status_code == 200


def test_url_that_was_set_later_is_answered_with_the_list_there_is(offline):
    offline.services.database.close()
    later = settings_for(offline.base, MIDCA_PUBLIC_URL="http://ca.example.org")
    services = open_services(later, create=True, now=offline.clock).services
    client = create_app(services).test_client()
    assert client.get("/pki/IOTrootCA.crl").status_code == 200
    assert client.get("/ready").status_code == 200
    services.database.close()


# Making it.


class Killed(BaseException):
    """The process ends here."""


MOMENTS = {
    "before the root's key": ("app.files.authority_files.AuthorityFiles.save_key", 0),
    "after the root's key": ("app.operations.hierarchy.self_signed", 0),
    "before the root's certificate file": ("app.files.authority_files.AuthorityFiles.save_certificate", 0),
    "before the key of IOTmidCA": ("app.files.authority_files.AuthorityFiles.save_key", 1),
    "before the copy on the medium": ("app.operations.hierarchy.Hierarchy._copy_certificates", 0),
    "before the list": ("app.operations.list_import.ListImport.take", 0),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_first_ceremony_that_was_interrupted_is_taken_up_again(tmp_path, monkeypatch, moment):
    target, calls_before = MOMENTS[moment]
    module, _, name = target.rpartition(".")
    owner = _resolve(module)
    real, calls = getattr(owner, name), []

    def interrupt(*args, **kwargs):
        if len(calls) == calls_before:
            raise Killed
        calls.append(args)
        return real(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, interrupt)
        with pytest.raises(Killed):
            OfflineInstallation(tmp_path)
    if moment not in {"before the copy on the medium", "before the list"}:  # the CAs are made by then
        with pytest.raises(ConfigurationError, match="init --root-out"):
            open_services(settings_for(tmp_path), create=True)

    again = OfflineInstallation(tmp_path)

    passphrases = (again.medium / "key-passphrase", again.settings.key_passphrase.default)
    assert "ca/keys/IOTrootCA.pem" not in private_keys(again.settings.data, *passphrases)
    assert again.services.readiness.check()["crl"] == "ok"
    assert again.services.audit_verification.run().findings.found == []
    again.check()
    again.close()


def _resolve(path: str):
    import importlib  # noqa: PLC0415 -- for these paths alone

    try:
        return importlib.import_module(path)
    except ModuleNotFoundError:
        module, _, name = path.rpartition(".")
        return getattr(importlib.import_module(module), name)


def init(base: Path, medium: Path, hierarchy: str = FAST, **environment: str):
    if not (base / "profiles").exists():
        profiles_directory(base / "profiles", hierarchy=hierarchy)
    return open_services(settings_for(base, **environment), create=True, medium=Medium(medium, None, CIRCUMSTANCES))


@pytest.mark.parametrize("below", [".", "usb", "ca", "ca/keys", "link"])
def test_medium_within_the_data_directory_is_refused_and_nothing_is_made(tmp_path, below):
    (tmp_path / "link").symlink_to(tmp_path / "data" / "usb")
    medium = tmp_path / "link" if below == "link" else tmp_path / "data" / below

    with pytest.raises(ConfigurationError, match="lies in the data directory"):
        init(tmp_path, medium)
    assert [path.name for path in tmp_path.joinpath("data").rglob("*")] == [".setup.lock"]


def test_root_that_is_online_already_is_not_said_to_be_offline(installation, tmp_path):
    with pytest.raises(ConfigurationError, match="was made with its key in"):
        init(installation.base, tmp_path / "medium", **installation.environment)
    assert not (tmp_path / "medium" / "keys").exists()


def test_hierarchy_without_a_root_of_its_own_has_none_to_keep_offline(tmp_path):
    with pytest.raises(ConfigurationError, match="none can be offline"):
        init(tmp_path, tmp_path / "medium", "hierarchy: flat\n" + HIERARCHY)


def test_medium_that_cannot_hold_a_key_is_refused_before_anything_is_made(tmp_path, monkeypatch):
    def no_links(*_args):
        raise OSError(1, "Operation not permitted")

    (tmp_path / "data").mkdir()
    monkeypatch.setattr("app.files.protected.os.link", no_links)
    with pytest.raises(ConfigurationError, match="a file system that knows owners"):
        init(tmp_path, tmp_path / "medium")
    assert not list((tmp_path / "data").rglob("*.pem"))


def test_ca_that_is_added_later_is_made_with_the_medium_at_hand(offline):
    path = offline.settings.profiles / "hierarchy.yaml"
    path.write_text(path.read_text() + "      - {name: Added, validity: 365, keytype: P-256}\n")
    offline.services.database.close()
    with pytest.raises(ConfigurationError, match=r"Added is to be signed by IOTrootCA, whose key is offline"):
        offline.open()

    offline.with_medium = True
    assert offline.open().created == ("Added",)
    offline.with_medium = False
    offline.services = offline.open().services
    assert offline.services.authorities.named("Added").key is not None


def test_medium_of_another_root_is_refused(offline, make_offline):
    other = make_offline()
    offline.services.database.close()
    offline.with_medium, offline.medium = True, other.medium
    with pytest.raises(ConfigurationError, match="does not fit its certificate"):
        offline.open()
    offline.with_medium = False
    offline.services = offline.open().services


def test_medium_at_hand_makes_a_new_list_when_half_of_the_old_ones_life_is_over(offline, root):
    first = offline.services.revocation_lists.latest(root).number
    offline.with_medium = True
    offline.open().services.database.close()
    assert offline.services.revocation_lists.latest(root).number == first

    offline.clock.advance(days=200)
    offline.open().services.database.close()

    assert offline.services.revocation_lists.latest(root).number > first


def test_key_file_of_the_root_that_turns_up_here_is_not_used(offline):
    stray = offline.settings.authority_files / "keys" / "IOTrootCA.pem"
    stray.touch(0o600)
    stray.write_bytes((offline.settings.authority_files / "keys" / "IOTmidCA.pem").read_bytes())

    assert offline.open().services.authorities.named("IOTrootCA").key is None
    assert pem(offline.services.renewal.request("IOTmidCA", ACTOR))
