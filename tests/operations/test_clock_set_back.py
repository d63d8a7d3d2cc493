"""F18. The clock was ahead, and is set right."""

import pytest

from app.errors import WrongPassword
from app.operations.audit_findings import FindingKind
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
