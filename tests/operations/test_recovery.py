"""A crash between the two transactions of a signature, and what the next start makes of it."""

import dataclasses

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from app.errors import (
    ConfigurationError,
    Conflict,
    EnrolmentRefused,
    KeyInUse,
    SigningUnavailable,
    WrongStatus,
)
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.pki.write_ahead_key import write_ahead_key
from app.store.certificates import CertificateState
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR

pytestmark = pytest.mark.both_databases

REQUEST = one_line(csr())
OTHER_REQUEST = one_line(csr(signing_key=key(1)))


class Crash(Exception):
    """The process ends here."""


@pytest.fixture(params=["before the key signed", "after the key signed"])
def crashed(request, installation, reopen):
    """An installation whose program crashed once the enrolment of f60c28 was pending."""

    def crash(tbs: bytes) -> None:
        if request.param == "after the key signed":
            installation.oracle._note(tbs)
        raise Crash

    installation.add()
    crashing = reopen(lambda real: write_ahead_key(real, crash)).services
    with pytest.raises(Crash):
        crashing.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)
    assert rows(installation) == [("pending", -1)]
    return installation


def rows(installation) -> list[tuple[str, int]]:
    return installation.sql(
        "SELECT state, revocation_reason FROM certificates WHERE certificate_type = 1 ORDER BY created_at"
    )


def actions(installation) -> list[str]:
    """What was done to certificates, in order."""
    actions = [entry["action"] for entry in installation.services.readiness.audit.entries()]
    return [action for action in actions if action.startswith("certificate.")]


def entity(installation):
    return installation.services.end_entities.find("f60c28")


def test_pending_certificate_is_finished_at_the_next_start(crashed, reopen):
    """F03 to F06."""
    tbs_sha256 = crashed.sql("SELECT tbs_sha256 FROM certificates WHERE state = 'pending'")

    opened = reopen()

    assert opened.settled == 1
    assert rows(crashed) == [("issued", -1)]
    assert crashed.sql("SELECT tbs_sha256 FROM certificates WHERE certificate_type = 1") == tbs_sha256
    assert (entity(crashed).status, entity(crashed).claimed_by) == (EndEntityStatus.GENERATED, None)
    assert actions(crashed)[-1] == "certificate.issued"


def test_device_that_tries_again_after_the_restart_gets_the_finished_certificate(crashed, reopen):
    services = reopen().services
    finished = services.certificates.of_user("f60c28")[0].certificate

    issued = services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)

    assert issued.certificate.public_bytes(serialization.Encoding.DER) == finished
    issued.certificate.verify_directly_issued_by(services.authorities.named("IOTmidCA").certificate)


def test_device_that_tries_again_before_any_restart_gets_the_certificate_too(crashed):
    issued = crashed.sign("f60c28", "dojot", REQUEST)

    assert rows(crashed) == [("issued", -1)]
    assert isinstance(issued.certificate, x509.Certificate)
    assert entity(crashed).status is EndEntityStatus.GENERATED


@pytest.mark.parametrize("restarted", [False, True], ids=["before a restart", "after a restart"])
def test_crash_does_not_open_the_password_for_another_key(crashed, reopen, restarted):
    """F01 to F07."""
    services = reopen().services if restarted else crashed.services

    with pytest.raises(WrongStatus, match="GENERATED"):
        services.issuance.issue("f60c28", "dojot", OTHER_REQUEST, ACTOR)
    assert len(rows(crashed)) == 1


def test_crash_does_not_open_the_password_for_a_wrong_one(crashed):
    with pytest.raises(EnrolmentRefused):
        crashed.sign("f60c28", "wrong", REQUEST)
    assert rows(crashed) == [("pending", -1)]


@pytest.mark.parametrize("act", ["rearm", "put"])
def test_pending_certificate_of_a_rearmed_end_entity_is_given_up_and_revoked(crashed, reopen, act):
    if act == "put":
        crashed.add()
    else:
        crashed.services.end_entities.rearm("f60c28", "dojot", ACTOR)

    services = reopen().services

    assert rows(crashed) == [("orphan", RevocationReason.UNSPECIFIED)]
    assert entity(crashed).status is EndEntityStatus.NEW
    assert actions(crashed)[-1] == "certificate.orphan"
    assert services.issuance.issue("f60c28", "dojot", OTHER_REQUEST, ACTOR)


def test_pending_certificate_of_a_revoked_end_entity_is_given_up_and_stays_revoked(crashed, reopen):
    crashed.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR)

    reopen()

    assert rows(crashed) == [("orphan", RevocationReason.KEYCOMPROMISE)]
    assert entity(crashed).status is EndEntityStatus.REVOKED


def test_pending_certificate_of_a_deleted_end_entity_is_given_up_and_revoked(crashed, reopen):
    crashed.services.end_entities.delete("f60c28", ACTOR)

    reopen()

    assert rows(crashed) == [("orphan", RevocationReason.UNSPECIFIED)]


def test_key_of_a_given_up_certificate_stays_its_holders(crashed, reopen):
    crashed.services.end_entities.delete("f60c28", ACTOR)
    services = reopen().services
    crashed.add("second")

    with pytest.raises(KeyInUse):
        services.issuance.issue("second", "dojot", REQUEST, ACTOR)


def test_second_start_finds_nothing_to_settle(crashed, reopen):
    reopen()
    before = actions(crashed)

    assert reopen().settled == 0
    assert actions(crashed) == before


def test_settling_what_nobody_waits_for_is_told(crashed):
    crashed.services.end_entities.delete("f60c28", ACTOR)
    pending = crashed.services.certificates.pending()[0]

    with pytest.raises(Conflict, match="nobody waits"):
        crashed.services.signing.settle(pending, crashed.services.authorities)


def test_certificate_revoked_while_it_is_signed_never_leaves(installation, reopen):
    def revoke_meanwhile(tbs: bytes) -> None:
        installation.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR)
        installation.oracle._note(tbs)

    installation.add()
    services = reopen(lambda real: write_ahead_key(real, revoke_meanwhile)).services

    with pytest.raises(WrongStatus, match="revoked while"):
        services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)
    assert rows(installation)[0][1] == RevocationReason.KEYCOMPROMISE
    assert entity(installation).status is EndEntityStatus.REVOKED


def test_end_entity_rearmed_while_its_certificate_is_signed_stays_armed(installation, reopen):
    def rearm_meanwhile(tbs: bytes) -> None:
        installation.services.end_entities.rearm("f60c28", "another", ACTOR)
        installation.oracle._note(tbs)

    installation.add()
    services = reopen(lambda real: write_ahead_key(real, rearm_meanwhile)).services

    services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)

    assert entity(installation).status is EndEntityStatus.NEW
    assert installation.sign("f60c28", "another", OTHER_REQUEST)


def test_enrolment_settled_by_another_process_meanwhile_gives_the_one_stored_certificate(installation, reopen):
    def settle_meanwhile(tbs: bytes) -> None:
        installation.oracle._note(tbs)
        installation.services.signing.settle_all(installation.services.authorities)

    installation.add()
    services = reopen(lambda real: write_ahead_key(real, settle_meanwhile)).services

    issued = services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)

    assert rows(installation) == [("issued", -1)]
    assert services.certificates.of_user("f60c28")[0].serial == issued.serial


@pytest.fixture
def forgetful(installation, database_kind):
    """An installation whose database is empty during the test."""
    installation.services.database.close()
    if database_kind == "sqlite":
        content = installation.settings.database.read_bytes()
        installation.settings.database.write_bytes(b"")
        yield installation
        installation.settings.database.write_bytes(content)
    else:
        installation.sql("ALTER SCHEMA public RENAME TO kept")
        installation.sql("CREATE SCHEMA public")
        yield installation
        installation.sql("DROP SCHEMA public CASCADE")
        installation.sql("ALTER SCHEMA kept RENAME TO public")


def test_a_database_that_forgot_its_cas_does_not_start(forgetful):
    """An empty one, as an interrupted restore leaves it, must not become a CA without memory."""
    token = forgetful.settings.admin_token.read_text()
    with pytest.raises(ConfigurationError, match="knows nothing of the CA IOTmidCA"):
        forgetful.open()
    assert forgetful.settings.admin_token.read_text() == token


def test_a_pending_row_that_cannot_be_read_does_not_stop_the_start(installation, caplog):
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    installation.sql("UPDATE certificates SET state = 'pending', tbs = 'AAAA' WHERE username = 'f60c28'")
    serial = installation.sql("SELECT serial FROM certificates WHERE username = 'f60c28'")[0][0]
    installation.sql("UPDATE end_entities SET status = 30, claimed_by = ?", serial)
    installation.open().services.database.close()
    assert f"pending certificate {serial} cannot be finished" in caplog.text


def test_settling_what_was_finished_meanwhile_returns_the_certificate(installation):
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    signing = installation.services.signing
    stored = installation.services.certificates.find("IOTmidCA", issued.serial)
    stale = dataclasses.replace(stored, state=CertificateState.PENDING)
    assert signing.settle(stale, installation.services.authorities) == stored
    assert installation.last_audit()["action"] == "certificate.issued"


def test_what_is_recorded_as_a_ca_is_never_signed_from_the_record(installation):
    """Who can write the database must not get a CA out of it."""
    mid = installation.services.authorities.named("IOTmidCA")
    root = installation.services.authorities.named("IOTrootCA")
    for authority in (root, mid):
        with pytest.raises(SigningUnavailable):
            authority.sign_recorded(mid.certificate.tbs_certificate_bytes)


def test_what_is_recorded_as_an_ocsp_responder_is_never_signed_from_the_record(installation):
    """Nor a key that says good of whatever was revoked."""
    mid, responders = installation.services.authorities.named("IOTmidCA"), installation.services.ocsp.responders
    responders.renew_due(ACTOR)
    responder = responders.current(mid)
    with pytest.raises(SigningUnavailable, match="no end entity's"):
        mid.sign_recorded(responder.certificate.tbs_certificate_bytes)
