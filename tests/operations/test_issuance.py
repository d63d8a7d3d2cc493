from collections import Counter

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from app.errors import (
    Conflict,
    EnrolmentRefused,
    InvalidInput,
    KeyInUse,
    MalformedRequest,
    NotAllowed,
    Refusal,
    SubjectInUse,
    UnknownAuthority,
    UnknownEndEntity,
    UnknownProfile,
    WrongPassword,
    WrongStatus,
    WrongTokenType,
)
from app.files.authority_files import AuthorityFiles
from app.files.private_keys import PrivateKeys
from app.operations.registration import Registration
from app.pki.end_entity import EndEntityStatus, TokenType
from app.pki.revocation import RevocationReason
from tests.builders import HIERARCHY, csr, key, one_line, profiles_directory
from tests.conftest import ACTOR

pytestmark = pytest.mark.both_databases

REQUEST = one_line(csr())
OTHER_REQUEST = one_line(csr("another", signing_key=key()))
OTHER_KEY_REQUEST = one_line(csr(signing_key=key(1)))
STATUSES = {10: True, 11: True, 20: False, 30: True, 40: False, 50: False, 60: False, 70: True}


def entity(installation, username="f60c28"):
    return installation.services.end_entities.find(username)


def stored(installation, username="f60c28"):
    return installation.services.certificates.of_user(username)


def refused(installation, refusal, username="f60c28", *, password="dojot", request=REQUEST, match=None):
    """A refusal leaves no trace but one audit entry."""
    before = (installation.sql("SELECT * FROM end_entities"), installation.sql("SELECT * FROM certificates"))
    signed, seq = installation.oracle.signed(), installation.last_audit()["seq"]
    with pytest.raises(refusal, match=match) as raised:
        installation.sign(username, password, request)
    assert (installation.sql("SELECT * FROM end_entities"), installation.sql("SELECT * FROM certificates")) == before
    assert installation.oracle.signed() == signed
    assert installation.last_audit()["seq"] == seq + 1
    assert installation.last_audit()["result"] == raised.value.code
    return raised.value


def test_certificate_is_recorded_and_the_end_entity_generated(installation):
    installation.add()

    issued = installation.sign("f60c28", "dojot", REQUEST)

    found = stored(installation)
    assert [(row.state, row.serial) for row in found] == [("issued", issued.serial)]
    assert found[0].certificate == issued.certificate.public_bytes(serialization.Encoding.DER)
    assert found[0].tbs is None
    assert (entity(installation).status, entity(installation).claimed_by) == (EndEntityStatus.GENERATED, None)


def test_two_audit_entries_tell_of_an_issued_certificate_and_no_password(installation):
    installation.add(password="CANARY")

    issued = installation.sign("f60c28", "CANARY", REQUEST)

    entries = installation.services.readiness.audit.entries()[-2:]
    assert [entry["action"] for entry in entries] == ["certificate.pending", "certificate.issued"]
    assert {entry["serial"] for entry in entries} == {issued.serial}
    assert "CANARY" not in str(installation.services.readiness.audit.entries())


@pytest.mark.parametrize("status", STATUSES)
def test_status_decides_whether_the_right_password_enrols(installation, status):
    """A50."""
    installation.add()
    installation.sql("UPDATE end_entities SET status = ?", status)

    if STATUSES[status]:
        assert installation.sign("f60c28", "dojot", REQUEST)
        return
    name = EndEntityStatus(status).name
    refused(installation, WrongStatus, match=rf"status {name} \({status}\), NEW, FAILED or INPROCESS required: f60c28")


@pytest.mark.parametrize("status", STATUSES)
def test_wrong_password_never_enrols_whatever_the_status(installation, status):
    """A50."""
    installation.add()
    installation.sql("UPDATE end_entities SET status = ?", status)

    refused(installation, EnrolmentRefused, password="wrong")


def test_password_is_spent_while_another_enrolment_holds_it(installation):
    installation.add()
    installation.sql("UPDATE end_entities SET status = 30, claimed_by = 'ABC'")

    refused(installation, WrongStatus, match=r"GENERATED \(40\)")


@pytest.mark.parametrize("token_type", [TokenType.P12, TokenType.JKS, TokenType.PEM])
def test_end_entity_whose_key_the_ca_would_make_brings_no_request(installation, token_type):
    """A57."""
    installation.add(token_type=token_type)

    refused(installation, WrongTokenType, match="must be 'USERGENERATED'")


# The retry window (A47)


def test_same_request_within_the_window_gets_the_same_certificate(installation):
    """A47."""
    installation.add()
    first = installation.sign("f60c28", "dojot", REQUEST)
    installation.clock.advance(seconds=899)

    assert installation.sign("f60c28", "dojot", REQUEST) == first
    assert len(stored(installation)) == 1


@pytest.mark.parametrize(
    ("seconds", "password", "request_", "refusal"),
    [
        (0, "dojot", OTHER_REQUEST, WrongStatus),
        (0, "dojot", OTHER_KEY_REQUEST, WrongStatus),
        (901, "dojot", REQUEST, WrongStatus),
        (0, "wrong", REQUEST, EnrolmentRefused),
    ],
    ids=["other request", "other key", "after the window", "wrong password"],
)
def test_spent_password_gets_nothing_else(installation, seconds, password, request_, refusal):
    """A47."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.clock.advance(seconds=seconds)

    refused(installation, refusal, password=password, request=request_)


def test_same_request_of_a_revoked_end_entity_gets_nothing(installation):
    """A60."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.services.end_entities.revoke("f60c28", RevocationReason.UNSPECIFIED, ACTOR)

    refused(installation, WrongStatus, match="REVOKED")


def test_same_request_after_a_new_password_is_a_new_enrolment(installation):
    installation.add()
    first = installation.sign("f60c28", "dojot", REQUEST)
    installation.add()

    assert installation.sign("f60c28", "dojot", REQUEST).serial != first.serial


def test_window_of_nothing_makes_no_retry(make_installation):
    installation = make_installation(MIDCA_RETRY_WINDOW="0")
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.clock.advance(seconds=1)

    refused(installation, WrongStatus)


# One key, one name, one holder


def test_key_of_another_end_entity_is_refused(installation):
    """A29."""
    installation.add("first")
    installation.add("second")
    installation.sign("first", "dojot", REQUEST)

    refused(installation, KeyInUse, "second", match="same key")


def test_key_of_a_revoked_and_deleted_end_entity_is_refused_for_ever(installation):
    """A31."""
    installation.add("first")
    installation.sign("first", "dojot", REQUEST)
    installation.services.end_entities.revoke("first", RevocationReason.KEYCOMPROMISE, ACTOR, delete=True)
    installation.add("second")

    refused(installation, KeyInUse, "second")


def test_end_entity_may_renew_with_its_own_key(installation):
    """A29."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.add()

    assert installation.sign("f60c28", "dojot", OTHER_REQUEST)


@pytest.mark.parametrize("name", ["IOTmidCA", "IOTrootCA"])
def test_key_of_a_ca_is_refused(installation, name):
    """A30."""
    passphrases = installation.settings.key_passphrase.read(create=False)
    ca_key = AuthorityFiles(installation.settings.authority_files, PrivateKeys(lambda: passphrases)).key(name)
    installation.add()

    refused(installation, KeyInUse, request=one_line(csr(signing_key=ca_key)), match="key of a CA")


def test_key_of_an_ocsp_responder_is_refused_also_once_it_is_renewed(installation):
    """A30."""
    responders = installation.services.ocsp.responders
    responder_key = responders.current(installation.services.authorities.named("IOTmidCA")).key
    installation.add(certificate_profile="X509Identity", end_entity_profile="EMPTY")
    request = one_line(csr(signing_key=responder_key))

    refused(installation, KeyInUse, request=request, match="same key as another user")
    installation.clock.advance(days=20)
    assert responders.renew_due(ACTOR) == 2
    refused(installation, KeyInUse, request=request, match="same key as another user")


@pytest.mark.parametrize(
    ("file", "match"),
    [("ca/ocsp/IOTmidCA.pem", "another user is using"), ("secrets/audit-key.pem", "key of the audit log")],
)
def test_key_that_signs_for_the_ca_is_refused(installation, file, match):
    """A30: the OCSP responder's, and the one of the audit log's checkpoints."""
    passphrase = installation.settings.key_passphrase.read(create=False)[0]
    own_key = serialization.load_pem_private_key((installation.settings.data / file).read_bytes(), passphrase)
    installation.add(certificate_profile="device-ec", end_entity_profile="EMPTY")

    refused(installation, KeyInUse, request=one_line(csr(signing_key=own_key)), match=match)


@pytest.mark.parametrize(
    "subject", ["CN=IOTmidCA,O=EJBCA IOT,C=SE", "cn = IOTmidCA, o=EJBCA IOT, c=SE", "CN=IOTrootCA,O=EJBCA IOT,C=SE"]
)
def test_subject_of_a_ca_is_refused(installation, subject):
    """A30."""
    with pytest.raises(SubjectInUse, match="subject of a CA"):
        installation.add(subject_dn=subject)


def test_subject_of_another_end_entity_is_refused(installation):
    """A13."""
    installation.add("first", subject_dn="CN=shared")

    with pytest.raises(SubjectInUse, match="'first'"):
        installation.add("second", subject_dn=" cn = shared")
    with pytest.raises(UnknownEndEntity):
        entity(installation, "second")


def test_end_entity_keeps_its_own_subject_when_edited(installation):
    """A13."""
    installation.add("first", subject_dn="CN=shared")
    installation.add("first", subject_dn="CN=shared", password="another")

    assert entity(installation, "first").subject_dn == "CN=shared"


# Names are data


@pytest.mark.parametrize(
    "username", ["x,CN=admin", "x+CN=admin", "x;O=evil", '"quoted"', "a\\b", "#0c0161", "<>", "a=b"]
)
def test_username_becomes_exactly_one_attribute(installation, username):
    """A06, A07."""
    installation.add(username)

    subject = installation.sign(username, "dojot", REQUEST).certificate.subject

    assert [(attribute.oid, attribute.value) for attribute in subject] == [(NameOID.COMMON_NAME, username)]
    assert len(subject.rdns) == 1


@pytest.mark.parametrize(
    ("subject", "reason"),
    [
        ("CN=x,O=evil+CN=admin", "multi-valued"),
        ("O=only", "'CN' must exist"),
        ("x", "no attribute"),
        ("CN=a\u202eb", "U\\+202E"),
    ],
)
def test_subject_that_is_no_acceptable_name_is_refused(installation, subject, reason):
    """A05, A07, A08."""
    with pytest.raises(InvalidInput, match=reason):
        installation.add(subject_dn=subject)


def test_certificate_has_the_subject_that_was_registered(installation):
    """A01, A07."""
    installation.add(subject_dn="CN=x,O=things", end_entity_profile="EMPTY")

    subject = installation.sign("f60c28", "dojot", REQUEST).certificate.subject

    assert [attribute.value for attribute in subject] == ["x", "things"]


@pytest.mark.parametrize("username", ["Dev1", "dev1 ", "dev", "dev%", "dev_", "dev*", "DEV1", "dev%31"])
def test_other_spelling_of_a_name_is_another_end_entity(installation, username):
    """A11, A12."""
    installation.add("dev1")

    refused(installation, Refusal, username)


# What an end entity may be


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"ca_name": "None"}, UnknownAuthority),
        ({"ca_name": "CN=IOTmidCA,O=EJBCA IOT,C=SE"}, UnknownAuthority),
        ({"ca_name": "IOTrootCA"}, NotAllowed),
        ({"certificate_profile": "None"}, UnknownProfile),
        ({"certificate_profile": "../CFREE"}, UnknownProfile),
        ({"end_entity_profile": "None"}, UnknownProfile),
        ({"username": "a/b"}, InvalidInput),
        ({"password": ""}, InvalidInput),
    ],
    ids=str,
)
def test_impossible_end_entity_is_refused_and_not_stored(installation, fields, refusal):
    """A45, A57."""
    with pytest.raises(refusal):
        installation.add(**fields)
    assert installation.sql("SELECT * FROM end_entities") == []


def test_profile_that_is_bound_to_other_cas_is_refused(make_installation, data_template):
    """A57."""
    shipped = (data_template / "profiles" / "CFREE.yaml").read_text()
    installation = make_installation()
    two = HIERARCHY + "  - {name: OtherCA, validity: 3652, keytype: P-256}\n"
    bound = shipped.replace("cas: any", "cas: [OtherCA]")
    profiles_directory(installation.base / "profiles", hierarchy=two, BOUND=bound)
    services = installation.open().services
    installation.services.database.close()
    installation.services = services

    with pytest.raises(NotAllowed, match="BOUND may not be used with CA IOTmidCA"):
        installation.add(certificate_profile="BOUND")


def test_profile_that_is_gone_refuses_its_end_entities(installation):
    installation.add()
    installation.sql("UPDATE end_entities SET certificate_profile = 'GONE'")

    refused(installation, UnknownProfile)


def test_new_end_entity_begins_as_new_whatever_was_asked(installation):
    assert installation.add(status=EndEntityStatus.GENERATED).status is EndEntityStatus.NEW


def test_existing_end_entity_is_not_added_again(installation):
    installation.add(password="first")

    with pytest.raises(Conflict):
        installation.services.end_entities.put(Registration("f60c28", "second"), ACTOR, only_new=True)
    assert installation.sign("f60c28", "first", REQUEST)


# Revocation


def test_revoking_an_end_entity_revokes_its_certificates_alone(installation):
    installation.add("first")
    installation.add("second")
    installation.sign("first", "dojot", REQUEST)
    installation.sign("second", "dojot", OTHER_KEY_REQUEST)

    revoked = installation.services.end_entities.revoke("first", RevocationReason.SUPERSEDED, ACTOR)

    assert revoked == 1
    assert stored(installation, "first")[0].revocation_reason is RevocationReason.SUPERSEDED
    assert not stored(installation, "second")[0].revoked
    assert entity(installation, "first").status is EndEntityStatus.REVOKED


def test_revoking_again_keeps_the_first_reason_and_time(installation):
    """A59."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    installation.services.end_entities.revoke("f60c28", RevocationReason.SUPERSEDED, ACTOR)
    before = stored(installation)
    installation.clock.advance(days=1)

    assert installation.services.end_entities.revoke("f60c28", RevocationReason.KEYCOMPROMISE, ACTOR) == 0
    assert stored(installation) == before


@pytest.mark.parametrize("reason", [RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL])
def test_reason_that_would_undo_a_revocation_is_refused(installation, reason):
    """A59."""
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)

    with pytest.raises(InvalidInput):
        installation.services.end_entities.revoke("f60c28", reason, ACTOR)
    assert not stored(installation)[0].revoked


def test_deleting_an_end_entity_keeps_its_certificates_on_record(installation):
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)

    installation.services.end_entities.delete("f60c28", ACTOR)

    assert [row.revoked for row in stored(installation)] == [False]


def test_end_entity_with_the_name_of_a_ca_never_revokes_the_cas_certificate(installation):
    """A59: exact target or refusal; never another certificate."""
    try:
        installation.add("IOTmidCA")
        installation.services.end_entities.revoke("IOTmidCA", RevocationReason.UNSPECIFIED, ACTOR)
    except Refusal:
        pass
    states = installation.sql("SELECT username, revocation_reason FROM certificates WHERE certificate_type IN (2, 8)")

    assert sorted(states) == [("IOTmidCA", -1), ("IOTrootCA", -1)]


def test_serial_that_is_taken_issues_nothing(installation):
    """A serial is used once: a source that repeats itself must not overwrite or double a certificate."""
    installation.add("first")
    installation.add("second")
    first = installation.sign("first", "dojot", REQUEST)
    object.__setattr__(installation.services.issuance, "new_serial", lambda: first.certificate.serial_number)

    with pytest.raises(Refusal):
        installation.sign("second", "dojot", OTHER_KEY_REQUEST)
    assert installation.certificates() == 1
    assert entity(installation, "second").may_enrol


# What is repeated does not fill the audit log


def refusals(installation) -> Counter[str]:
    return Counter(
        entry["result"]
        for entry in installation.services.readiness.audit.entries()
        if entry["action"] == "certificate.refused"
    )


def repeat(installation, username: str, request: str, refusal: type[Refusal], times: int) -> None:
    for _ in range(times):
        with pytest.raises(refusal):
            installation.sign(username, "dojot", request)


def test_a_refusal_is_recorded_so_often_a_minute_and_then_counted(installation):
    """Whoever knows a password that is public, or none at all, may ask without end."""
    installation.add("spent")
    installation.sign("spent", "dojot", REQUEST)
    repeat(installation, "spent", OTHER_REQUEST, WrongStatus, 50)
    repeat(installation, "spent", "nonsense", MalformedRequest, 40)

    assert refusals(installation) == {"WrongStatus": 30, "MalformedRequest": 30}

    installation.clock.advance(minutes=1)
    repeat(installation, "spent", OTHER_REQUEST, WrongStatus, 1)
    assert installation.last_audit()["refusals_left_out"] == 20
    repeat(installation, "spent", OTHER_REQUEST, WrongStatus, 1)
    assert "refusals_left_out" not in installation.last_audit()


def test_every_guess_is_recorded(installation):
    for number in range(40):
        with pytest.raises(WrongPassword):
            installation.sign(f"nobody{number}", "guess", REQUEST)

    assert refusals(installation) == {"WrongPassword": 40}


def test_who_is_registered_anew_at_every_look_is_told_so_and_not_that_new_is_required(installation):
    installation.add()

    def registered_meanwhile() -> int:
        installation.add()
        return 1

    object.__setattr__(installation.services.issuance, "new_serial", registered_meanwhile)
    with pytest.raises(WrongStatus, match="f60c28 was changed while its request was looked at; send it again"):
        installation.sign("f60c28", "dojot", REQUEST)
