"""F18. The clock was ahead, and is set right."""

from datetime import timedelta

import pytest
from cryptography import x509

from app.errors import WrongPassword
from app.operations.audit_findings import FindingKind
from app.pki.revocation import RevocationReason
from app.pki.write_ahead_key import write_ahead_key
from tests.builders import csr, one_line
from tests.conftest import ACTOR

REQUEST = one_line(csr())


def test_lock_after_wrong_passwords_does_not_last_until_the_clock_is_there_again(installation):
    installation.clock.advance(days=2)
    installation.add()
    for _ in range(6):
        with pytest.raises(WrongPassword):
            installation.sign("f60c28", "wrong", REQUEST)

    installation.clock.advance(days=-1)

    assert installation.sign("f60c28", "dojot", REQUEST)


@pytest.mark.parametrize("days", [1, 3 * 365])
def test_lists_of_when_the_clock_was_ahead_take_no_revocation_off_those_of_now(installation, days):
    installation.add()
    issued = installation.sign("f60c28", "dojot", REQUEST)
    services = installation.services
    services.revocation.change("IOTmidCA", issued.serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    authority, lists = services.authorities.named("IOTmidCA"), services.revocation_lists
    end = issued.certificate.not_valid_after_utc
    installation.clock.now = end - timedelta(minutes=5)
    lists.issue(authority, ACTOR)

    installation.clock.advance(days=days)
    lists.issue(authority, ACTOR)
    installation.clock.advance(days=-days)
    lists.issue_due(ACTOR)

    crl = x509.load_der_x509_crl(lists.latest(authority).crl)
    assert crl.get_revoked_certificate_by_serial_number(issued.certificate.serial_number) is not None


def test_end_entity_that_was_revoked_with_the_clock_ahead_has_no_good_certificate_afterwards(installation):
    """Its certificate had ended by the clock of then, and has not by that of now."""
    installation.add()
    issued = installation.sign("f60c28", "dojot", REQUEST)
    services = installation.services
    authority, lists = services.authorities.named("IOTmidCA"), services.revocation_lists
    installation.clock.advance(days=3 * 365)
    services.end_entities.revoke("f60c28", RevocationReason.CESSATIONOFOPERATION, ACTOR)
    lists.issue(authority, ACTOR)
    installation.clock.advance(days=-3 * 365)

    lists.issue_due(ACTOR)

    crl = x509.load_der_x509_crl(lists.latest(authority).crl)
    assert crl.get_revoked_certificate_by_serial_number(issued.certificate.serial_number) is not None
    findings = services.audit_verification.run().findings.found
    assert {finding.kind for finding in findings} == {FindingKind.CLOCK}


def test_ca_that_was_renewed_with_the_clock_ahead_can_be_renewed_again(installation, reopen):
    installation.clock.advance(days=400)
    installation.services.renewal.renew("IOTmidCA", ACTOR)
    installation.clock.advance(days=-399)
    services = reopen().services
    assert "not yet valid" in services.readiness.check()["keys"]

    services.renewal.renew("IOTmidCA", ACTOR)

    assert reopen().services.readiness.check()["keys"] == "ok"


def test_clock_that_jumps_back_while_a_certificate_is_signed_does_no_harm(installation, reopen):
    def jump(tbs: bytes) -> None:
        installation.oracle._note(tbs)
        installation.clock.advance(days=-1)

    installation.clock.advance(days=2)
    installation.add()
    services = reopen(lambda real: write_ahead_key(real, jump)).services

    issued = services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)

    assert installation.sign("f60c28", "dojot", REQUEST) == issued
    assert {finding.kind for finding in services.audit_verification.run().findings.found} == {FindingKind.CLOCK}
