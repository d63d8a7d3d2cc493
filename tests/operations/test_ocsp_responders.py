"""The delegated responders: made with their CA, renewed by one process, seen by all."""

import dataclasses
import threading
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPResponseStatus
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.errors import ConfigurationError, SigningUnavailable, StoreUnavailable
from app.operations.authorities import Authorities
from app.operations.ocsp import Ocsp
from app.pki.write_ahead_key import write_ahead_key
from tests import ocsp
from tests.conftest import ACTOR, Installation


@pytest.fixture
def responders(installation):
    return installation.services.ocsp.responders


@pytest.fixture
def mid(installation):
    return installation.services.authorities.named("IOTmidCA")


def renew(opened) -> int:
    return opened.services.ocsp.responders.renew_due(ACTOR)


def rows(installation: Installation) -> list[tuple[str, str]]:
    return installation.sql(
        "SELECT username, state FROM certificates WHERE certificate_type = 1001 ORDER BY created_at, username"
    )


def test_every_ca_has_a_responder_from_the_first_start(installation, responders):
    for authority in installation.services.authorities:
        certificate = responders.current(authority).certificate
        certificate.verify_directly_issued_by(authority.certificate)
        assert (
            f"{certificate.serial_number:X}"
            in installation.sql(
                "SELECT serial FROM certificates WHERE ca_name = ? AND certificate_type = 1001", authority.name
            ).pop()
        )


def test_certificate_of_a_responder_lets_it_sign_answers_and_nothing_else(responders, mid):
    certificate = responders.current(mid).certificate
    found = {each.oid: each for each in certificate.extensions}

    def value(kind):
        return found.pop(kind.oid).value

    assert certificate.subject.rfc4514_string() == "C=SE,O=EJBCA IOT,CN=IOTmidCA OCSP"
    assert value(x509.BasicConstraints) == x509.BasicConstraints(ca=False, path_length=None)
    assert list(value(x509.ExtendedKeyUsage)) == [ExtendedKeyUsageOID.OCSP_SIGNING]
    usage = value(x509.KeyUsage)
    assert (usage.digital_signature, usage.key_cert_sign, usage.crl_sign) == (True, False, False)
    assert not found[x509.OCSPNoCheck.oid].critical
    value(x509.OCSPNoCheck)
    own = mid.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    assert value(x509.AuthorityKeyIdentifier).key_identifier == own
    value(x509.SubjectKeyIdentifier)
    assert found == {}
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=30)


def test_responder_is_renewed_with_a_new_key_at_half_its_life(installation, responders, mid):
    before = responders.current(mid)
    installation.clock.advance(days=14, hours=23)
    assert renew(installation.opened) == 0
    installation.clock.advance(hours=1)

    assert renew(installation.opened) == 2

    after = responders.current(mid)
    assert after.certificate.serial_number != before.certificate.serial_number
    assert after.certificate.public_key() != before.certificate.public_key()
    assert renew(installation.opened) == 0
    assert [state for _, state in rows(installation)] == ["issued"] * 4


def test_renewal_is_audited(installation):
    installation.clock.advance(days=16)
    renew(installation.opened)

    entries = installation.services.readiness.audit.entries()[-4:]
    assert [entry["action"] for entry in entries] == ["certificate.pending", "certificate.issued"] * 2
    assert {entry["object"] for entry in entries} == {"IOTmidCA/OCSP", "IOTrootCA/OCSP"}
    assert {entry["actor"] for entry in entries} == {"tester"}


def test_upkeep_renews(installation, responders, mid):
    installation.clock.advance(days=31)
    with pytest.raises(SigningUnavailable, match="no valid certificate"):
        responders.current(mid)

    installation.services.upkeep.do_due(ACTOR)

    responders.current(mid)


def test_other_process_sees_the_renewed_responder(installation, mid):
    other = installation.open()
    der = ocsp.request(mid.certificate, 1)
    before = other.services.ocsp.answer(der).der
    installation.clock.advance(days=16)
    renew(installation.opened)

    after = other.services.ocsp.answer(der).der
    other.services.database.close()

    signers = [ocsp.load(each).certificates[0].serial_number for each in (before, after)]
    assert signers[1] == installation.services.ocsp.responders.current(mid).certificate.serial_number != signers[0]


def test_of_many_processes_one_renews(installation):
    opened = [installation.opened, *(installation.open() for _ in range(3))]
    installation.clock.advance(days=16)
    renewed, barrier = [], threading.Barrier(len(opened))

    def run(each):
        barrier.wait()
        renewed.extend([renew(each) for _ in range(5)])
        each.services.database.close()

    threads = [threading.Thread(target=run, args=(each,)) for each in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in opened[1:]:
        each.services.database.close()

    assert sum(renewed) == 2
    assert [state for _, state in rows(installation)] == ["issued"] * 4


def test_nobody_else_renews_while_one_process_does(installation, responders):
    installation.clock.advance(days=16)
    with responders.turn.held():
        assert renew(installation.opened) == 0
    assert renew(installation.opened) == 2


class Killed(BaseException):
    """The process ends here."""


def kill(*_args, **_kwargs):
    raise Killed


def before_the_signature(monkeypatch, responders):
    monkeypatch.setattr(type(responders.authorities.named("IOTmidCA")), "sign", kill)


def after_the_record(monkeypatch, responders):
    for authority in responders.authorities:
        object.__setattr__(authority, "key", write_ahead_key(authority.key, kill))


def after_the_signature(monkeypatch, responders):
    monkeypatch.setattr(type(responders.signing), "store_signed", kill)


def before_the_file(monkeypatch, responders):
    monkeypatch.setattr(type(responders.files), "save", kill)


def within_the_file(monkeypatch, responders):
    monkeypatch.setattr("app.files.protected.os.replace", kill)


@pytest.mark.parametrize(
    "moment", [before_the_signature, after_the_record, after_the_signature, before_the_file, within_the_file]
)
def test_kill_at_any_moment_of_a_renewal_leaves_a_responder_that_works(installation, mid, reopen, monkeypatch, moment):
    before = installation.services.ocsp.responders.current(mid).certificate
    dying = installation.open()
    installation.clock.advance(days=16)
    with monkeypatch.context() as patched:
        moment(patched, dying.services.ocsp.responders)
        with pytest.raises(Killed):
            renew(dying)
    dying.services.database.close()
    assert installation.services.ocsp.responders.current(mid).certificate == before

    reopened = reopen().services

    assert reopened.ocsp.responders.current(mid).certificate != before
    assert reopened.readiness.check()["ocsp"] == "ok"
    assert "pending" not in {state for _, state in rows(installation)}


def test_renewal_that_another_start_gave_up_is_tried_again(installation, mid, reopen):
    """A worker that starts settles what is pending, and cannot know that the renewal is still under way."""
    settled = []

    def settle_meanwhile(_tbs: bytes) -> None:
        services = installation.services
        settled.append(services.signing.settle_all(services.authorities))

    responders = reopen(lambda real: write_ahead_key(installation.oracle.wrap(real), settle_meanwhile)).services.ocsp
    installation.clock.advance(days=16)

    installation.services.upkeep.chores["CRL"](ACTOR)
    with pytest.raises(Exception, match="revoked while"):
        responders.responders.renew_due(ACTOR)
    assert settled[-1] == 1
    assert renew(installation.opened) == 2


def test_ca_whose_key_is_not_here_keeps_the_responder_it_has(installation, responders, mid):
    offline = Authorities(dataclasses.replace(each, key=None) for each in installation.services.authorities)
    responders = dataclasses.replace(responders, authorities=offline)
    authority = offline.named("IOTmidCA")
    installation.clock.advance(days=16)

    assert responders.renew_due(ACTOR) == 0
    assert responders.current(authority).end > installation.clock.now
    responders.check(authority)
    installation.clock.advance(days=16)
    with pytest.raises(SigningUnavailable):
        responders.current(authority)
    responders.check(authority)  # nobody here can change it


def test_offline_ca_without_a_valid_responder_is_try_later(installation, client, mid):
    services = installation.services
    for authority in services.authorities:
        object.__setattr__(authority, "key", None)
    installation.clock.advance(days=31)

    response = ocsp.post(client, ocsp.request(mid.certificate, 1))

    assert response.response_status is OCSPResponseStatus.TRY_LATER


def test_no_renewal_outlives_its_ca_and_the_last_is_not_repeated(installation, responders, mid):
    installation.clock.now = mid.certificate.not_valid_after_utc - timedelta(days=20)
    assert renew(installation.opened) == 2
    assert responders.current(mid).end == mid.certificate.not_valid_after_utc
    installation.clock.advance(days=19)

    assert renew(installation.opened) == 1  # the root's
    installation.clock.advance(days=2)
    assert renew(installation.opened) == 0  # nothing is signed by a CA that has ended
    with pytest.raises(SigningUnavailable):
        responders.current(mid)


def test_clock_that_was_set_back_before_the_responder_gets_a_new_one(installation, responders, mid):
    installation.clock.advance(days=20)
    renew(installation.opened)
    installation.clock.advance(days=-5)

    assert renew(installation.opened) == 2
    responders.current(mid)


def left_out(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def open_to_others(path):
    path.chmod(0o644)


def of_another_ca(path):
    path.write_bytes(path.with_name("IOTrootCA.pem").read_bytes())


@pytest.mark.parametrize("fault", [left_out, empty, cut, open_to_others, of_another_ca])
def test_responder_file_that_cannot_be_used_is_made_anew(installation, responders, mid, client, fault):
    path = responders.files.path("IOTmidCA")
    fault(path)
    assert "ocsp" in {name for name, text in client.get("/ready").json["checks"].items() if text != "ok"}
    assert ocsp.post(client, ocsp.request(mid.certificate, 1)).response_status.name == "TRY_LATER"

    assert renew(installation.opened) == 1

    assert ocsp.post(client, ocsp.request(mid.certificate, 1)).response_status.name == "SUCCESSFUL"
    assert path.stat().st_mode & 0o777 == 0o600
    assert client.get("/ready").status_code == 200


def test_responder_that_cannot_sign_is_no_responder(responders, monkeypatch):
    """F17."""

    def broken(*_args):
        raise ConfigurationError("The key cannot sign.")

    monkeypatch.setattr("app.files.responder_files.check_key", broken)
    with pytest.raises(ConfigurationError, match="cannot sign"):
        responders.files.load("IOTmidCA")


def test_key_and_certificate_that_do_not_fit_are_no_responder(responders):
    mid_pem, root_pem = (responders.files.path(name).read_bytes() for name in ("IOTmidCA", "IOTrootCA"))
    border = b"-----BEGIN CERTIFICATE-----"
    mixed = mid_pem.split(border)[0] + border + root_pem.split(border)[1]
    responders.files.path("IOTmidCA").write_bytes(mixed)

    with pytest.raises(ConfigurationError, match="no key and certificate"):
        responders.files.load("IOTmidCA")


def test_database_that_fails_leaves_the_responder_that_was_there(installation, responders, mid, monkeypatch):
    before = responders.current(mid).certificate
    installation.clock.advance(days=16)
    signed = installation.oracle.signed()

    def fail(*_args):
        raise StoreUnavailable("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr(type(responders.signing.certificates), "add", fail)
        with pytest.raises(StoreUnavailable):
            renew(installation.opened)
        assert installation.oracle.signed() == signed
        installation.services.upkeep.do_due(ACTOR)  # logs it and goes on

    assert responders.current(mid).certificate == before


def test_directory_that_cannot_be_written_lets_nothing_be_signed(installation, responders, mid, monkeypatch):
    """Else a certificate would be signed and recorded every second, and none of them ever used."""
    installation.clock.advance(days=16)
    before = rows(installation)

    def full(*_args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("app.files.protected.os.fsync", full)
        with pytest.raises(SigningUnavailable, match="cannot be written: No space left"):
            renew(installation.opened)
    assert rows(installation) == before

    directory = responders.files.directory
    kept = directory.rename(directory.with_name("kept"))
    directory.write_text("no directory")
    with pytest.raises(SigningUnavailable, match="cannot be made"):
        renew(installation.opened)
    assert rows(installation) == before
    directory.unlink()
    kept.rename(directory)

    assert renew(installation.opened) == 2
    assert sorted(path.name for path in directory.iterdir()) == ["IOTmidCA.pem", "IOTrootCA.pem"]


def test_answers_are_never_signed_by_the_ca(installation, client, mid):
    signed = installation.oracle.signed()
    for nonce in (None, b"x" * 32):
        ocsp.post(client, ocsp.request(mid.certificate, 1, nonce=nonce))

    assert installation.oracle.signed() == signed


def test_ca_of_every_kind_of_key_delegates(tmp_path):
    from app.bootstrap import open_services  # noqa: PLC0415 -- the one test that opens for itself
    from tests.builders import HIERARCHY, profiles_directory  # noqa: PLC0415 -- the same
    from tests.conftest import settings_for  # noqa: PLC0415 -- the same

    for key_type in ("P-384", "Ed25519", "ML-DSA-44"):
        base = tmp_path / key_type
        base.mkdir()
        hierarchy = HIERARCHY.replace("keysize: 2048", f"keytype: {key_type}")
        profiles_directory(base / "profiles", hierarchy=hierarchy)
        services = open_services(settings_for(base), create=True).services
        issuer = services.authorities.named("IOTmidCA").certificate
        response = ocsp.load(services.ocsp.answer(ocsp.request(issuer, 1)).der)
        services.database.close()
        response.certificates[0].verify_directly_issued_by(issuer)


def test_max_age_is_never_longer_than_an_answer_lives(installation):
    services = installation.services
    asked = Ocsp(
        services.authorities, services.ocsp.responders, services.database, installation.clock, timedelta(days=1)
    )
    assert asked.max_age == timedelta(minutes=30)
