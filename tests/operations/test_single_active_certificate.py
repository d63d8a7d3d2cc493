"""``single_active_certificate``: a new certificate takes the place of those its end entity had."""

import pytest
from cryptography import x509

from app.errors import ProfileViolation, WrongStatus
from app.pki.revocation import RevocationReason
from tests.builders import csr, key, one_line, profiles_directory
from tests.conftest import ACTOR

pytestmark = pytest.mark.both_databases

REASONS = "SELECT serial, revocation_reason FROM certificates WHERE username = 'f60c28' AND certificate_type = 1"


@pytest.fixture
def replacing(make_installation):
    """An installation whose profile CFREE keeps one certificate an end entity, with one issued."""
    installation = make_installation(MIDCA_REENROL="always")
    cfree = (installation.base / "profiles" / "CFREE.yaml").read_text()
    changed = cfree.replace("single_active_certificate: false", "single_active_certificate: true")
    profiles_directory(installation.base / "profiles", CFREE=changed)
    installation.services.database.close()
    installation.services = installation.open().services
    installation.add()
    return installation


def sign(installation, number: int) -> str:
    return installation.sign("f60c28", "dojot", one_line(csr(signing_key=key(number)))).serial


def reasons(installation) -> dict[str, RevocationReason]:
    return {serial: RevocationReason(reason) for serial, reason in installation.sql(REASONS)}


def test_a_new_certificate_supersedes_the_earlier_ones(replacing):
    first = sign(replacing, 0)
    second = sign(replacing, 1)
    assert reasons(replacing) == {first: RevocationReason.SUPERSEDED, second: RevocationReason.NOTREVOKED}
    entry = next(entry for entry in replacing.services.readiness.audit.entries() if entry.get("superseded_by"))
    assert (entry["serial"], entry["superseded_by"], entry["reason"]) == (first, second, "SUPERSEDED")


def test_the_next_list_shows_it(replacing):
    first = sign(replacing, 0)
    sign(replacing, 1)
    replacing.services.revocation_lists.issue_due(ACTOR)
    mid = replacing.services.authorities.named("IOTmidCA")
    crl = x509.load_der_x509_crl(replacing.services.revocation_lists.latest(mid).crl)
    assert [f"{entry.serial_number:X}" for entry in crl] == [first]


def test_one_on_hold_is_superseded_and_one_revoked_keeps_its_reason(replacing):
    compromised, held = sign(replacing, 0), sign(replacing, 1)
    last = sign(replacing, 2)
    replacing.sql("UPDATE certificates SET revocation_reason = 1 WHERE serial = ?", compromised)
    replacing.sql("UPDATE certificates SET revocation_reason = 6 WHERE serial = ?", held)
    newest = sign(replacing, 3)
    assert reasons(replacing) == {
        compromised: RevocationReason.KEYCOMPROMISE,
        held: RevocationReason.SUPERSEDED,
        last: RevocationReason.SUPERSEDED,
        newest: RevocationReason.NOTREVOKED,
    }


def test_the_certificates_of_others_stay(replacing):
    replacing.add("other")
    theirs = replacing.sign("other", "dojot", one_line(csr(signing_key=key(5)))).serial
    sign(replacing, 0)
    sign(replacing, 1)
    assert replacing.services.revocation.find("IOTmidCA", theirs).revoked is False


def test_a_request_that_is_refused_supersedes_nothing(replacing):
    first = sign(replacing, 0)
    network = x509.SubjectAlternativeName([x509.RFC822Name("a@example.org")])
    with pytest.raises(ProfileViolation):
        replacing.sign("f60c28", "dojot", one_line(csr(signing_key=key(1), extensions=((network, False),))))
    assert reasons(replacing) == {first: RevocationReason.NOTREVOKED}


def test_one_that_was_interrupted_supersedes_when_it_is_finished(replacing, monkeypatch):
    first = sign(replacing, 0)
    with monkeypatch.context() as patched:

        def fail(*_args):
            raise RuntimeError("killed")

        patched.setattr(type(replacing.services.signing), "store_signed", fail)
        with pytest.raises(RuntimeError, match="killed"):
            sign(replacing, 1)
    assert reasons(replacing)[first] is RevocationReason.NOTREVOKED

    replacing.services.signing.settle_all(replacing.services.authorities)

    assert sorted(reasons(replacing).values()) == [RevocationReason.NOTREVOKED, RevocationReason.SUPERSEDED]
    assert reasons(replacing)[first] is RevocationReason.SUPERSEDED


def test_one_that_was_held_while_it_was_signed_takes_nobodys_place(replacing, monkeypatch):
    first = sign(replacing, 0)
    store = replacing.services.signing.store_signed

    def held_first(ca_name, certificate, actor):
        serial = f"{certificate.serial_number:X}"
        replacing.services.revocation.change(ca_name, serial, RevocationReason.CERTIFICATEHOLD, ACTOR)
        return store(ca_name, certificate, actor)

    monkeypatch.setattr(type(replacing.services.signing), "store_signed", lambda _self, *given: held_first(*given))
    with pytest.raises(WrongStatus):
        sign(replacing, 1)
    assert reasons(replacing)[first] is RevocationReason.NOTREVOKED


def test_without_it_both_are_good(make_installation):
    installation = make_installation(MIDCA_REENROL="always")
    installation.add()
    sign(installation, 0)
    sign(installation, 1)
    assert set(reasons(installation).values()) == {RevocationReason.NOTREVOKED}
