"""What the CA signed and the database does not know is taken on record, and can be revoked."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from app.errors import Conflict, InvalidInput
from app.operations.actor import SYSTEM
from app.operations.audit_verification import AuditVerification
from app.operations.certificate_import import UNKNOWN_HOLDER, CertificateImport, TakenList
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import RevocationListTemplate, sign_revocation_list
from app.store.certificates import CertificateState
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR
from tests.pki.authorities import authority


@pytest.fixture
def importing(installation) -> CertificateImport:
    services = installation.services
    return CertificateImport(
        services.database,
        services.certificates,
        services.end_entities.store,
        services.signing.audit,
        services.authorities,
        installation.clock,
    )


@pytest.fixture
def forgotten(installation) -> x509.Certificate:
    """A certificate that was issued and is on record no more, as after a restore; the log was restored with it."""
    size = installation.services.checkpoints.log.size()
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    for table in ("certificates WHERE certificate_type = 1", "end_entities", f"audit_log WHERE seq > {size}"):
        installation.sql(f"DELETE FROM {table}")  # noqa: S608 -- from the line above
    yield issued.certificate
    installation.oracle.file.write_bytes(b"")  # what was signed was forgotten on purpose


def found(installation) -> list[str]:
    return [finding.sentence for finding in AuditVerification(installation.services.checkpoints).run().findings.found]


def listed(installation) -> set[str]:
    return {f"{entry.serial_number:X}" for entry in last_list(installation)}


def last_list(installation) -> x509.CertificateRevocationList:
    installation.services.revocation_lists.issue_due(SYSTEM)
    authority = installation.services.authorities.named("IOTmidCA")
    return x509.load_der_x509_crl(installation.services.revocation_lists.latest(authority).crl)


def enrol(installation, name: str, number: int) -> str:
    installation.add(name)
    return installation.sign(name, "dojot", one_line(csr(name, signing_key=key(number)))).serial


def test_imported_certificate_is_on_record_and_can_be_revoked(installation, importing, forgotten):
    stored, changed = importing.take(forgotten, ACTOR)

    assert changed
    assert stored == installation.services.certificates.find("IOTmidCA", stored.serial)
    assert (stored.username, stored.subject_dn, stored.state) == ("f60c28", "CN=f60c28", CertificateState.ISSUED)
    assert found(installation) == []
    installation.services.revocation.change("IOTmidCA", stored.serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    assert stored.serial in listed(installation)
    assert found(installation) == []


def test_holder_is_the_end_entity_with_that_subject(installation, importing, forgotten):
    installation.add("tenant:f60c28", subject_dn="CN=f60c28")

    assert importing.take(forgotten, ACTOR)[0].username == "tenant:f60c28"


def test_second_import_changes_nothing(installation, importing, forgotten):
    importing.take(forgotten, ACTOR)
    before = installation.last_audit()

    assert importing.take(forgotten, ACTOR)[1] is False
    assert installation.last_audit() == before


def test_certificate_whose_bytes_were_lost_gets_them_back(installation, importing):
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    installation.sql("UPDATE certificates SET certificate = NULL WHERE serial = ?", issued.serial)

    stored, changed = importing.take(issued.certificate, ACTOR)

    assert changed
    assert (stored.username, stored.certificate_profile) == ("f60c28", "CFREE")
    assert installation.services.certificates.count_without_bytes(installation.clock()) == 0
    assert found(installation) == []


def test_foreign_certificate_and_that_of_a_ca_are_refused(installation, importing):
    with pytest.raises(InvalidInput, match="was not issued by a CA of this server"):
        importing.take(authority().certificate, ACTOR)
    with pytest.raises(InvalidInput, match="is a CA's"):
        importing.take(installation.services.authorities.named("IOTmidCA").certificate, ACTOR)


def test_another_certificate_with_a_serial_on_record_is_refused(installation, importing):
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    installation.sql("UPDATE certificates SET tbs_sha256 = 'x' WHERE serial = ?", issued.serial)

    with pytest.raises(Conflict, match="Another certificate with the serial"):
        importing.take(issued.certificate, ACTOR)
    installation.oracle.file.write_bytes(b"")


def test_serial_of_which_nothing_else_is_known_is_revoked_and_stays_on_the_lists(installation, importing):
    importing.revoke_unknown("IOTmidCA", "0abcdef0123", RevocationReason.KEYCOMPROMISE, ACTOR)

    assert listed(installation) == {"ABCDEF0123"}
    assert found(installation) == []
    installation.clock.advance(days=1000)
    assert listed(installation) == {"ABCDEF0123"}
    with pytest.raises(Conflict, match="is on record"):
        importing.revoke_unknown("IOTmidCA", "ABCDEF0123", RevocationReason.KEYCOMPROMISE, ACTOR)


def test_list_that_brokers_still_hold_tells_what_was_revoked(installation, importing, forgotten):
    known, held = (enrol(installation, f"device{number}", number) for number in (1, 2))
    forgotten_serial = f"{forgotten.serial_number:X}"
    importing.revoke_unknown("IOTmidCA", forgotten_serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    revocation, before = installation.services.revocation, installation.sql("SELECT * FROM certificates")
    revocation.change("IOTmidCA", known, RevocationReason.SUPERSEDED, ACTOR)
    revocation.change("IOTmidCA", held, RevocationReason.CERTIFICATEHOLD, ACTOR)
    assert listed(installation) == {forgotten_serial, known, held}
    last = last_list(installation)
    # As if a backup had been restored that knows two of the three, and none as revoked.
    assert len(before) == 7
    size = installation.sql("SELECT max(seq) FROM audit_log WHERE entry LIKE '%certificate.issued%'")[0][0]
    installation.sql("DELETE FROM audit_log WHERE seq > ?", size)
    installation.sql("DELETE FROM revocation_lists WHERE revision > 0")
    installation.sql("DELETE FROM certificates WHERE serial = ?", forgotten_serial)
    installation.sql("UPDATE certificates SET revocation_reason = -1, revoked_at = NULL, revocation_revision = 0")

    taken = importing.take_list(last, ACTOR)

    assert taken == TakenList("IOTmidCA", entries=3, revoked=3, unknown=1)
    reasons = {serial: installation.services.certificates.find("IOTmidCA", serial) for serial in (known, held)}
    assert reasons[known].revocation_reason is RevocationReason.SUPERSEDED
    assert reasons[held].revocation_reason is RevocationReason.CERTIFICATEHOLD
    assert listed(installation) == {forgotten_serial, known, held}
    assert importing.take_list(last, ACTOR).revoked == 0


def test_list_makes_more_of_a_hold_and_less_of_nothing(installation, importing):
    serials = [enrol(installation, f"device{number}", number) for number in range(2)]
    revocation = installation.services.revocation
    for serial in serials:
        revocation.change("IOTmidCA", serial, RevocationReason.CERTIFICATEHOLD, ACTOR)
    hold = last_list(installation)
    for serial in serials:
        revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    compromised = last_list(installation)

    assert importing.take_list(hold, ACTOR).revoked == 0
    installation.sql("UPDATE certificates SET revocation_reason = 6 WHERE serial = ?", serials[0])
    assert importing.take_list(compromised, ACTOR).revoked == 1
    assert installation.services.certificates.find("IOTmidCA", serials[0]).revocation_reason == 1


def test_list_that_another_key_signed_in_the_name_of_the_ca_is_refused(installation, importing):
    own = installation.services.authorities.named("IOTmidCA")
    template = RevocationListTemplate(1, installation.clock(), installation.clock() + timedelta(days=1), [])
    der = sign_revocation_list(replace(authority(), chain=own.chain), template, lambda _: None)

    with pytest.raises(InvalidInput, match="was not signed by a CA of this server"):
        importing.take_list(x509.load_der_x509_crl(der), ACTOR)


@pytest.mark.parametrize("reason", ["NOTREVOKED", "REMOVEFROMCRL", "CERTIFICATEHOLD"])
def test_unknown_serial_is_revoked_for_good_or_not_at_all(installation, importing, reason):
    with pytest.raises(InvalidInput, match="only revoked for good"):
        importing.revoke_unknown("IOTmidCA", "ABCDEF", RevocationReason[reason], ACTOR)
    assert installation.services.certificates.find("IOTmidCA", "ABCDEF") is None


def test_certificate_that_was_revoked_by_its_serial_alone_is_completed_and_stays_revoked(
    installation, importing, forgotten
):
    serial = f"{forgotten.serial_number:X}"
    importing.revoke_unknown("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    assert installation.services.certificates.find("IOTmidCA", serial).username == UNKNOWN_HOLDER

    stored, changed = importing.take(forgotten, ACTOR)

    assert changed
    assert (stored.username, stored.revocation_reason) == ("f60c28", RevocationReason.KEYCOMPROMISE)
    assert found(installation) == []
    installation.add("thief")
    with pytest.raises(Conflict, match="same key"):
        installation.sign("thief", "dojot", one_line(csr(signing_key=key())))


@pytest.mark.parametrize("partitions", [0, 3])
def test_partition_is_the_one_the_certificate_names(make_installation, partitions):
    made = make_installation(MIDCA_PUBLIC_URL="http://ca.example.org")
    hierarchy = made.settings.profiles / "hierarchy.yaml"
    if partitions:
        hierarchy.write_text(hierarchy.read_text() + f"        crl_partitions: {partitions}\n")
    made.services.database.close()
    made.services = made.open().services
    made.add()
    issued = made.sign("f60c28", "dojot", one_line(csr()))
    [(before,)] = made.sql("SELECT crl_partition FROM certificates WHERE serial = ?", issued.serial)
    made.sql(
        "UPDATE certificates SET certificate = NULL, username = ?, tbs_sha256 = 'x' WHERE serial = ?",
        UNKNOWN_HOLDER,
        issued.serial,
    )
    services = made.services

    taken, _ = CertificateImport(
        services.database,
        services.certificates,
        services.end_entities.store,
        services.signing.audit,
        services.authorities,
        made.clock,
    ).take(issued.certificate, ACTOR)

    assert taken.crl_partition == before
    assert (before is None) == (partitions == 0)
