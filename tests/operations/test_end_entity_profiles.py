"""What an end entity profile lets be registered, and how long its passwords are good."""

import dataclasses
import logging
import re
from datetime import timedelta

import pytest
import yaml
from cryptography import x509

from app.errors import (
    EndEntityProfileViolation,
    EnrolmentWindowOver,
    InvalidInput,
    ProfileViolation,
    UnknownProfile,
    WrongPassword,
)
from app.files.end_entity_profile_files import END_ENTITIES
from app.pki.end_entity import EndEntityStatus, TokenType
from app.pki.name_constraints import described
from app.pki.period import Period
from app.settings import shipped
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR
from tests.files.test_end_entity_profile_files import VALID

REQUEST = one_line(csr())
PASSWORD = "0123456789abcdef0123456789abcdef"
SIX_DAYS, ONE_DAY = timedelta(days=6), timedelta(days=1)
SEVEN_DAYS = {
    "subject": {"others": True, "default": "CN={username},O=Plant 1"},
    "certificate_profiles": {"default": "broker", "allowed": "any"},
    "cas": {"default": "IOTmidCA", "allowed": "any"},
    "token_types": {"default": "PEM", "allowed": ["USERGENERATED", "PEM"]},
    "password": {"default": False, "min_length": 12},
    "enrolment_window": "7d",
}


def own_profiles(installation, **profiles) -> None:
    """Give the installation end entity profiles of its own beside dojot's, and have it read them."""
    directory = installation.base / "profiles" / END_ENTITIES
    directory.mkdir(exist_ok=True)
    dojots = shipped("profiles") / END_ENTITIES / "EMPTY_CFREE.yaml"
    (directory / dojots.name).write_text(dojots.read_text())
    for name, document in profiles.items():
        (directory / f"{name}.yaml").write_text(yaml.safe_dump(document))
    installation.services.profiles.reload()


@pytest.fixture
def devices(installation):
    own_profiles(installation, DEVICES=SEVEN_DAYS)
    return installation


def add(installation, **fields):
    chosen = {"end_entity_profile": "DEVICES", "certificate_profile": "CFREE", "password": PASSWORD}
    return installation.add(**chosen | {"token_type": TokenType.USERGENERATED} | fields)


# Registering


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({}, None),
        ({"password": None}, None),
        ({"username": "tenant:device"}, None),
        ({"subject_dn": "CN=mosca"}, None),
        ({"ca_name": "IOTmidCA", "certificate_profile": "CFREE"}, None),
        ({"token_type": TokenType.P12}, None),
        ({"token_type": TokenType.JKS}, None),
        ({"token_type": TokenType.PEM}, None),
        ({"password": ""}, "Password cannot be empty or null."),
        ({"subject_dn": "CN=x,O=things"}, "Wrong number of O fields in Subject DN."),
        ({"subject_dn": "CN=x,CN=admin"}, "Wrong number of CN fields in Subject DN."),
        ({"subject_dn": "O=x"}, "Subject DN field 'CN' must exist."),
        ({"certificate_profile": "broker"}, "Couldn't find certificate profile (broker) among available"),
    ],
    ids=str,
)
def test_shipped_profile_lets_be_registered_what_dojots_did(installation, fields, refused):
    if refused is None:
        assert installation.add(**fields).end_entity_profile == "EMPTY_CFREE"
        return
    with pytest.raises(EndEntityProfileViolation) as refusal:
        installation.add(**fields)
    assert str(refusal.value).startswith("Userdata did not fulfill end entity profile EMPTY_CFREE, dn '")
    assert refused in str(refusal.value)
    assert installation.sql("SELECT * FROM end_entities") == []


def test_what_is_left_out_is_the_profiles_default(devices):
    entity = devices.add(end_entity_profile="DEVICES", password=PASSWORD)

    assert entity.subject_dn == "CN=f60c28,O=Plant 1"
    assert (entity.certificate_profile, entity.ca_name) == ("broker", "IOTmidCA")
    assert entity.token_type is TokenType.PEM


def test_default_password_applies_only_where_the_profile_says_so(devices):
    devices.add("first", None)
    with pytest.raises(EndEntityProfileViolation, match="Password cannot be empty or null"):
        add(devices, password=None)


def test_without_a_default_password_a_registration_must_bring_one(make_installation):
    """Only a device's event may leave it for later; who registers over HTTP or the command line may not."""
    installation = make_installation(MIDCA_DEFAULT_PASSWORD="none")
    with pytest.raises(EndEntityProfileViolation, match="Password cannot be empty or null"):
        installation.add(password=None)
    with pytest.raises(EndEntityProfileViolation, match="Password cannot be empty or null"):
        installation.add(password="", password_later=True)
    assert installation.add(password=None, password_later=True).password_verifier is None


def test_editing_is_held_to_the_profile_and_a_refused_edit_changes_nothing(devices):
    before = add(devices)
    with pytest.raises(EndEntityProfileViolation, match="shorter than 12"):
        add(devices, password="dojot")

    assert devices.services.end_entities.find("f60c28") == before


def test_rearming_is_held_to_the_password_rule(devices):
    before = add(devices)
    with pytest.raises(EndEntityProfileViolation, match="shorter than 12"):
        devices.services.end_entities.rearm("f60c28", "dojot", ACTOR)

    assert devices.services.end_entities.find("f60c28") == before


# The window


def test_password_is_good_until_the_window_ends_and_not_after(devices):
    add(devices, username="first")
    add(devices, username="second")
    devices.clock.advance(days=7, microseconds=-1)
    assert devices.sign("first", PASSWORD, REQUEST)
    devices.clock.advance(microseconds=1)

    with pytest.raises(EnrolmentWindowOver, match=r"^The password of second was good until 20.*; ask for a new one"):
        devices.sign("second", PASSWORD, one_line(csr(signing_key=key(1))))
    assert devices.certificates() == 1
    assert devices.services.end_entities.find("second").status is EndEntityStatus.NEW
    assert devices.last_audit()["result"] == "EnrolmentWindowOver"


def test_who_does_not_know_the_password_does_not_learn_of_the_window(devices):
    add(devices)
    devices.clock.advance(days=8)

    with pytest.raises(WrongPassword, match="invalid password"):
        devices.sign("f60c28", "wrong", REQUEST)


@pytest.mark.parametrize("act", ["rearm", "edit"])
def test_window_begins_again_when_a_password_is_set(devices, act):
    add(devices)
    devices.clock.advance(days=8)
    if act == "rearm":
        devices.services.end_entities.rearm("f60c28", PASSWORD, ACTOR)
    else:
        add(devices)

    devices.clock.advance(days=6, hours=23)
    assert devices.sign("f60c28", PASSWORD, REQUEST)


def test_window_outlives_a_restart(devices, reopen):
    add(devices)
    devices.clock.advance(days=6)
    assert reopen().services.end_entities.find("f60c28").armed_at == devices.clock() - SIX_DAYS
    devices.clock.advance(days=1)

    with pytest.raises(EnrolmentWindowOver):
        reopen().services.issuance.issue("f60c28", PASSWORD, REQUEST, ACTOR)


def test_lost_answer_is_given_again_after_the_window(devices):
    add(devices)
    devices.clock.advance(days=7, seconds=-1)
    first = devices.sign("f60c28", PASSWORD, REQUEST)
    devices.clock.advance(seconds=2)

    assert devices.sign("f60c28", PASSWORD, REQUEST) == first


def test_password_that_signs_again_and_again_does_not_keep_its_window_open(make_installation):
    """``modified_at`` moves with every enrolment; the window is counted from the password alone."""
    renewing = make_installation(MIDCA_REENROL="always")
    own_profiles(renewing, DEVICES=SEVEN_DAYS)
    add(renewing)
    for number in range(2):
        renewing.clock.advance(days=3)
        renewing.sign("f60c28", PASSWORD, one_line(csr(signing_key=key(number))))
    renewing.clock.advance(days=3)

    with pytest.raises(EnrolmentWindowOver):
        renewing.sign("f60c28", PASSWORD, one_line(csr(signing_key=key(2))))


def test_dojots_profile_has_no_window(installation):
    installation.add()
    installation.clock.advance(days=700)

    assert installation.sign("f60c28", "dojot", REQUEST)


# Profiles come and go


def test_profile_that_was_removed_lets_nobody_enrol_or_be_armed(devices):
    add(devices)
    (devices.base / "profiles" / END_ENTITIES / "DEVICES.yaml").unlink()
    devices.services.profiles.reload()

    with pytest.raises(UnknownProfile, match=r"^Error End Entity profile DEVICES does not exist\.$"):
        devices.sign("f60c28", PASSWORD, REQUEST)
    with pytest.raises(UnknownProfile, match=r"^Error End Entity profile DEVICES does not exist\.$"):
        devices.services.end_entities.rearm("f60c28", PASSWORD, ACTOR)
    assert devices.certificates() == 0


def test_broken_end_entity_profile_leaves_both_kinds_as_they_were(devices, caplog):
    directory = devices.base / "profiles"
    before = devices.services.profiles["CFREE"].sha256
    (directory / "CFREE.yaml").write_text((directory / "CFREE.yaml").read_text().replace("730", "31"))
    (directory / END_ENTITIES / "DEVICES.yaml").write_text(yaml.safe_dump(VALID | {"enrolment_window": "soon"}))
    with caplog.at_level(logging.ERROR):
        devices.services.profiles.reload()

    assert devices.services.profiles["CFREE"].sha256 == before
    assert devices.services.profiles.end_entity_profile("DEVICES").enrolment_window.length == SIX_DAYS + ONE_DAY
    assert "DEVICES.yaml: enrolment_window:" in caplog.text


def test_broken_certificate_profile_leaves_both_kinds_as_they_were(devices):
    directory = devices.base / "profiles"
    (directory / "CFREE.yaml").write_text("nonsense: 1")
    (directory / END_ENTITIES / "DEVICES.yaml").write_text(yaml.safe_dump(SEVEN_DAYS | {"enrolment_window": "1d"}))
    devices.services.profiles.reload()

    assert devices.services.profiles.end_entity_profile("DEVICES").enrolment_window.length == SIX_DAYS + ONE_DAY


def test_both_kinds_are_read_again_together(devices, caplog):
    directory = devices.base / "profiles"
    (directory / END_ENTITIES / "DEVICES.yaml").write_text(yaml.safe_dump(SEVEN_DAYS | {"enrolment_window": "1d"}))
    with caplog.at_level(logging.INFO):
        devices.services.profiles.reload()

    assert devices.services.profiles.end_entity_profile("DEVICES").enrolment_window.length == ONE_DAY
    assert "read the end entity profiles: DEVICES " in caplog.text


# Alternative names and dates


def of_certificate(installation, **options) -> x509.Certificate:
    request = one_line(csr(**options))
    return installation.sign("f60c28", PASSWORD, request).certificate


def names_of(certificate) -> list[str]:
    return [
        described(name) for name in certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    ]


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("dNSName=a.example, iPAddress=192.0.2.1", "dNSName=a.example, iPAddress=192.0.2.1"),
        ("DNS:a.example", "dNSName=a.example"),
        ("", ""),
        (None, ""),
    ],
)
def test_dojots_profile_lets_a_host_name_and_an_address_be_registered(installation, text, stored):
    assert installation.add(subject_alt_name=text).subject_alt_name == stored


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("DNS:a.example,DNS:b.example", "Wrong number of DNSNAME fields in Subject Alternative Name."),
        ("email:a@b.example", "Wrong number of RFC822NAME fields in Subject Alternative Name."),
    ],
)
def test_dojots_profile_lets_no_other_names_be_registered(installation, text, sentence):
    with pytest.raises(EndEntityProfileViolation, match=re.escape(sentence)):
        installation.add(subject_alt_name=text)


def test_profile_of_its_own_demands_names_and_has_a_default(installation):
    names = {"names": [{"kind": "dns", "min": 1, "pattern": r"[a-z0-9]+\.devices\.example"}]}
    default = SEVEN_DAYS | {"alternative_names": names | {"default": ["dns:{username}.devices.example"]}}
    own_profiles(installation, DEVICES=default, STRICT=SEVEN_DAYS | {"alternative_names": names})

    assert add(installation).subject_alt_name == "dNSName=f60c28.devices.example"
    assert add(installation, subject_alt_name="DNS:b.devices.example").subject_alt_name == "dNSName=b.devices.example"
    for refused in ("", "DNS:b.example"):
        with pytest.raises(EndEntityProfileViolation):
            add(installation, subject_alt_name=refused)
    with pytest.raises(EndEntityProfileViolation, match="'DNSNAME' must exist"):
        add(installation, end_entity_profile="STRICT")


def test_registered_names_come_into_the_certificate_beside_those_of_the_request(installation):
    installation.add(password=PASSWORD, subject_alt_name="DNS:a.example,IP:192.0.2.1")
    asked = x509.SubjectAlternativeName([x509.DNSName("b.example"), x509.DNSName("a.example")])

    issued = of_certificate(installation, extensions=((asked, False),))

    assert names_of(issued) == ["dns:a.example", "ip:192.0.2.1", "dns:b.example"]


def test_certificate_profile_decides_on_registered_names_too(installation):
    """A02."""
    installation.add(
        password=PASSWORD, subject_alt_name="email:a@b.example", end_entity_profile="EMPTY", certificate_profile="CFREE"
    )

    with pytest.raises(ProfileViolation, match="type RFC822Name is not allowed"):
        of_certificate(installation)


def test_names_that_change_between_check_and_claim_are_not_signed(installation, monkeypatch):
    """What is claimed is what was checked."""
    entity = installation.add(password=PASSWORD, subject_alt_name="DNS:a.example", certificate_profile="CFREE")
    stale = dataclasses.replace(entity, subject_alt_name="DNS:b.example")
    dated = dataclasses.replace(entity, end_time="1:0:0")
    store = installation.services.end_entities.store

    with installation.services.database.transaction():
        assert not store.claim(stale, "1", installation.clock.now)
        assert not store.claim(dated, "1", installation.clock.now)
        assert store.claim(entity, "1", installation.clock.now)


def test_registered_dates_narrow_the_certificate_where_its_profile_lets_them(installation):
    chosen = {"certificate_profile": "X509Identity", "end_entity_profile": "EMPTY", "password": PASSWORD}
    entity = installation.add(start_time="1:0:0", end_time="2035-01-01 00:00:00+00:00", **chosen)
    assert (entity.start_time, entity.end_time) == ("1:0:0", "2035-01-01 00:00:00+00:00")

    issued = of_certificate(installation)

    assert issued.not_valid_before_utc == installation.clock.now.replace(microsecond=0) + ONE_DAY
    assert (
        issued.not_valid_after_utc.isoformat() == "2034-12-28T00:00:00+00:00"
    )  # the first is a Monday, before it a Thursday


def test_request_may_narrow_it_further_and_never_widens(installation):
    chosen = {"certificate_profile": "X509Identity", "end_entity_profile": "EMPTY", "password": PASSWORD}
    installation.add(end_time="300:0:0", **chosen)
    sign = installation.services.issuance.issue
    longer, shorter = Period.from_texts("", "9999:0:0"), Period.from_texts("", "100:0:0")
    now = installation.clock.now.replace(microsecond=0)

    first = sign("f60c28", PASSWORD, REQUEST, ACTOR, longer).certificate
    installation.add(end_time="300:0:0", **chosen)
    second = sign("f60c28", PASSWORD, one_line(csr(signing_key=key(1))), ACTOR, shorter).certificate

    assert now + 294 * ONE_DAY <= first.not_valid_after_utc <= now + 300 * ONE_DAY
    assert now + 94 * ONE_DAY <= second.not_valid_after_utc <= now + 100 * ONE_DAY


def test_dates_that_the_certificate_profile_does_not_allow_are_refused(installation):
    with pytest.raises(InvalidInput, match="Certificate profile CFREE lets no end entity choose"):
        installation.add(end_time="30:0:0")
    installation.add(password=PASSWORD)
    with pytest.raises(ProfileViolation, match="lets nobody choose the dates"):
        installation.services.issuance.issue("f60c28", PASSWORD, REQUEST, ACTOR, Period.from_texts("", "30:0:0"))
    assert installation.certificates() == 0


def test_dates_that_are_past_refuse_the_enrolment_and_leave_the_password(installation):
    chosen = {"certificate_profile": "X509Identity", "end_entity_profile": "EMPTY", "password": PASSWORD}
    installation.add(end_time="2020-01-01 00:00:00+00:00", **chosen)

    with pytest.raises(ProfileViolation, match="no time at all"):
        of_certificate(installation)
    assert installation.services.end_entities.find("f60c28").status is EndEntityStatus.NEW


def test_profile_that_takes_the_choice_back_refuses_who_is_registered_with_dates(installation):
    """Rather than give a certificate that lasts longer than was meant."""
    chosen = {"certificate_profile": "X509Identity", "end_entity_profile": "EMPTY", "password": PASSWORD}
    installation.add(end_time="30:0:0", **chosen)
    path = installation.base / "profiles" / "X509Identity.yaml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("validity_over")))
    installation.services.profiles.reload()

    with pytest.raises(ProfileViolation, match="lets nobody choose the dates"):
        of_certificate(installation)


def test_new_password_leaves_names_and_dates(installation):
    chosen = {"certificate_profile": "X509Identity", "end_entity_profile": "EMPTY", "password": PASSWORD}
    before = installation.add(subject_alt_name="URI:urn:a", end_time="30:0:0", **chosen)

    after = installation.services.end_entities.rearm("f60c28", PASSWORD, ACTOR)

    assert (after.subject_alt_name, after.end_time) == (before.subject_alt_name, before.end_time)
