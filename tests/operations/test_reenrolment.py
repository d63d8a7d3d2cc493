"""``MIDCA_REENROL=always``: a right password signs again, where later versions of EJBCA-REST asked for none."""

import pytest

from app.errors import WrongPassword, WrongStatus
from app.pki.revocation import RevocationReason
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR


@pytest.fixture
def renewing(make_installation):
    installation = make_installation(MIDCA_REENROL="always")
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    return installation


@pytest.fixture
def second_request():
    return one_line(csr(signing_key=key(1)))


def test_a_right_password_signs_again(renewing, second_request):
    renewing.sign("f60c28", "dojot", second_request)
    assert renewing.certificates() == 2


def test_a_wrong_password_does_not(renewing, second_request):
    with pytest.raises(WrongStatus):
        renewing.sign("f60c28", "wrong", second_request)
    assert renewing.certificates() == 1


def test_the_same_request_still_gets_the_same_certificate(renewing):
    renewing.sign("f60c28", "dojot", one_line(csr()))
    assert renewing.certificates() == 1


def test_a_revoked_end_entity_never_signs(renewing, second_request):
    renewing.services.end_entities.revoke("f60c28", RevocationReason.UNSPECIFIED, ACTOR)
    with pytest.raises(WrongStatus, match="REVOKED"):
        renewing.sign("f60c28", "dojot", second_request)


def test_an_unknown_name_never_signs(renewing, second_request):
    with pytest.raises(WrongPassword):
        renewing.sign("other", "dojot", second_request)


def test_without_the_setting_a_password_is_spent(installation, second_request):
    installation.add()
    installation.sign("f60c28", "dojot", one_line(csr()))
    with pytest.raises(WrongStatus):
        installation.sign("f60c28", "dojot", second_request)
