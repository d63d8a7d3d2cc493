"""``renewal_window``: shortly before its certificate ends an end entity may enrol again with the password it has."""

import threading

import pytest

from app.errors import EnrolmentWindowOver, WrongPassword, WrongStatus
from app.pki.revocation import RevocationReason
from tests.builders import csr, key, one_line, profiles_directory
from tests.conftest import ACTOR
from tests.operations.test_end_entity_profiles import SEVEN_DAYS, own_profiles

pytestmark = pytest.mark.both_databases

PASSWORD = "0123456789abcdef0123456789abcdef"  # looks random, so it is not stretched


@pytest.fixture
def renewing(make_installation):
    """CFREE lasts 730 days here as everywhere; it may be renewed in the last 30."""
    installation = make_installation()
    cfree = (installation.base / "profiles" / "CFREE.yaml").read_text()
    profiles_directory(installation.base / "profiles", CFREE=f"{cfree}\nrenewal_window: 30\n")
    installation.services.database.close()
    installation.services = installation.open().services
    installation.add(password=PASSWORD)
    sign(installation, 0)
    return installation


def sign(installation, number: int, password: str = PASSWORD):
    return installation.sign("f60c28", password, one_line(csr(signing_key=key(number))))


def test_too_early_a_password_is_spent(renewing):
    renewing.clock.advance(days=699)
    with pytest.raises(WrongStatus):
        sign(renewing, 1)


def test_in_the_window_it_signs_once_more(renewing):
    renewing.clock.advance(days=701)
    sign(renewing, 1)
    with pytest.raises(WrongStatus):
        sign(renewing, 2)
    assert renewing.certificates() == 2


def test_a_wrong_password_signs_never(renewing):
    renewing.clock.advance(days=701)
    with pytest.raises((WrongPassword, WrongStatus)):
        sign(renewing, 1, password="wrong")
    assert renewing.certificates() == 1


def test_after_the_end_only_an_admin_opens_it_again(renewing):
    renewing.clock.advance(days=731)
    with pytest.raises(WrongStatus):
        sign(renewing, 1)
    renewing.services.end_entities.rearm("f60c28", PASSWORD, ACTOR)
    sign(renewing, 1)


def test_an_enrolment_window_that_is_over_lets_no_password_renew(renewing):
    own_profiles(renewing, EMPTY_CFREE=SEVEN_DAYS)
    renewing.clock.advance(days=701)
    with pytest.raises(EnrolmentWindowOver):
        sign(renewing, 1)
    assert renewing.certificates() == 1


def test_a_revoked_certificate_is_not_renewed(renewing):
    serial = renewing.sql("SELECT serial FROM certificates WHERE username = 'f60c28'")[0][0]
    renewing.services.revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    renewing.clock.advance(days=701)
    with pytest.raises(WrongStatus):
        sign(renewing, 1)


@pytest.mark.parametrize("reason", [RevocationReason.KEYCOMPROMISE, RevocationReason.CERTIFICATEHOLD])
def test_revoking_the_newest_certificate_lets_nobody_renew_by_an_older_one(renewing, reason):
    renewing.clock.advance(days=701)
    newest = sign(renewing, 1)
    renewing.services.revocation.change("IOTmidCA", newest.serial, reason, ACTOR)
    with pytest.raises(WrongStatus):
        sign(renewing, 2)
    assert renewing.certificates() == 2


def test_a_certificate_that_the_cas_end_cuts_short_is_not_renewed_in_the_first_half_of_its_life(renewing):
    renewing.clock.advance(days=3640)  # of the CA's 3652
    renewing.services.end_entities.rearm("f60c28", PASSWORD, ACTOR)
    sign(renewing, 1)
    with pytest.raises(WrongStatus):
        sign(renewing, 2)
    renewing.clock.advance(days=7)
    sign(renewing, 2)


def test_two_at_once_get_one_certificate(renewing):
    renewing.clock.advance(days=701)
    barrier, outcomes = threading.Barrier(4), []

    def renew(number: int) -> None:
        request = one_line(csr(signing_key=key(number)))
        barrier.wait()
        try:
            renewing.sign("f60c28", PASSWORD, request)
            outcomes.append("issued")
        except WrongStatus:
            outcomes.append("refused")
        finally:
            renewing.services.database.close()

    threads = [threading.Thread(target=renew, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["issued", "refused", "refused", "refused"]
    assert renewing.certificates() == 2
