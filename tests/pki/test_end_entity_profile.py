"""Each rule of an end entity profile, alone and together."""

from datetime import UTC, datetime, timedelta

import pytest

from app.errors import EndEntityProfileViolation, InvalidInput
from app.operations.enrolment_password import random_password
from app.pki import alternative_name, distinguished_name
from app.pki.end_entity import TokenType
from app.pki.end_entity_names import (
    AlternativeNameField,
    AlternativeNameFieldsRule,
    SubjectField,
    SubjectFieldsRule,
)
from app.pki.end_entity_profile import EndEntityProfile
from app.pki.end_entity_rules import (
    AvailableCasRule,
    Candidate,
    CertificateProfilesRule,
    EnrolmentWindowRule,
    PasswordRule,
    TokenTypesRule,
    UsernameRule,
)
from app.pki.profile_rules import NameTemplate

PROFILE = EndEntityProfile(
    name="DEVICES",
    sha256="0" * 64,
    username=UsernameRule("[a-f0-9]{5,6}"),
    subject=SubjectFieldsRule(
        (
            SubjectField(distinguished_name.attribute_oid("CN"), 1),
            SubjectField(distinguished_name.attribute_oid("O"), 1, pattern="Plant [0-9]"),
            SubjectField(distinguished_name.attribute_oid("OU"), 0, 2),
        ),
        others=False,
        default=distinguished_name.parse("CN={username},O=Plant 1"),
    ),
    certificate_profiles=CertificateProfilesRule("CFREE", frozenset({"CFREE", "device-ec"})),
    cas=AvailableCasRule("IOTmidCA", frozenset({"IOTmidCA"})),
    token_types=TokenTypesRule(TokenType.USERGENERATED, frozenset({TokenType.USERGENERATED})),
    password=PasswordRule(shortest=12, refuse_guessable=True),
)


def candidate(subject="CN=f60c28,O=Plant 1", **changed) -> Candidate:
    good = {
        "username": "f60c28",
        "subject": distinguished_name.parse(subject),
        "ca_name": "IOTmidCA",
        "certificate_profile": "CFREE",
        "token_type": TokenType.USERGENERATED,
        "password": "correct-horse-battery",
    }
    return Candidate(**good | changed)


def told(asked: Candidate) -> str:
    with pytest.raises(EndEntityProfileViolation) as refusal:
        PROFILE.check(asked)
    return str(refusal.value).partition("': ")[2]


@pytest.mark.parametrize(
    "asked",
    [
        candidate(),
        candidate(username="abcde"),
        candidate("OU=a,CN=x,OU=b,O=Plant 9"),
        candidate(certificate_profile="device-ec"),
        candidate(password="0123456789ab"),
        candidate(password=random_password()),
    ],
    ids=str,
)
def test_what_the_rules_allow_is_good(asked):
    PROFILE.check(asked)


@pytest.mark.parametrize("username", ["F60C28", "f60c", "f60c281", "f60c28\n", "xf60c28"])
def test_user_name_matches_the_pattern_as_a_whole(username):
    assert told(candidate(username=username)).startswith("Did not pass validation of field USERNAME.")


def test_user_name_is_not_too_long():
    asked = candidate(username="a" * 7)

    assert list(UsernameRule(longest=6).problems(asked)) == ["The user name is longer than 6 characters."]
    assert list(UsernameRule(longest=7).problems(asked)) == []


@pytest.mark.parametrize(
    ("subject", "sentence"),
    [
        ("CN=f60c28", "Subject DN field 'O' must exist."),
        ("O=Plant 1", "Subject DN field 'CN' must exist."),
        ("CN=f60c28,CN=admin,O=Plant 1", "Wrong number of CN fields in Subject DN."),
        ("CN=f60c28,O=Plant 1,OU=a,OU=b,OU=c", "Wrong number of OU fields in Subject DN."),
        ("CN=f60c28,O=Plant 1,C=SE", "Wrong number of C fields in Subject DN."),
        (
            "CN=f60c28,O=Plant 12",
            "Did not pass validation of field O (in DN). 'Plant 12' does not match 'Plant [0-9]'.",
        ),
    ],
)
def test_subject_has_the_fields_it_must_and_may_have(subject, sentence):
    assert told(candidate(subject)) == sentence


def test_there_is_always_a_common_name_and_any_other_field_where_the_profile_says_so():
    rule = SubjectFieldsRule((), others=True, default=distinguished_name.parse("CN={username}"))

    assert list(rule.problems(candidate("O=a,C=SE"))) == ["Subject DN field 'CN' must exist."]
    assert list(rule.problems(candidate("CN=a,O=a,C=SE,CN=b"))) == []


@pytest.mark.parametrize("username", ["f60c28", "x,O=evil", "{username}", "a+b=c"])
def test_default_subject_takes_the_name_as_data(username):
    subject = PROFILE.subject.default_for(username)

    assert [attribute.value for attribute in subject] == [username, "Plant 1"]


@pytest.mark.parametrize(("subject", "username"), [("CN=device {username}", "a" * 60), ("CN={username}", "a" * 65)])
def test_name_that_does_not_fit_into_the_default_subject_is_refused(subject, username):
    rule = SubjectFieldsRule((), others=True, default=distinguished_name.parse(subject))

    with pytest.raises(InvalidInput):
        rule.default_for(username)


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (
            {"certificate_profile": "broker"},
            "Couldn't find certificate profile (broker) among available certificate profiles.",
        ),
        ({"ca_name": "OtherCA"}, "Couldn't find CA (OtherCA) among End Entity Profiles Available CAs."),
        ({"token_type": TokenType.P12}, "Soft token type is not available in End Entity Profile."),
        ({"password": None}, "Password cannot be empty or null."),
        ({"password": ""}, "Password cannot be empty or null."),
        ({"password": "0123456789a"}, "The password is shorter than 12 characters."),
    ],
    ids=str,
)
def test_choice_that_is_not_offered_is_refused_in_ejbcas_words(changed, sentence):
    assert told(candidate(**changed)) == sentence


@pytest.mark.parametrize(
    "password",
    [
        "dojotdojotdojot",
        "f60c28f60c28f60c28",
        "DOJOT-f60c28-1234",
        "aaaaaaaaaaaaaaaa",
        "121212121212",
        "f60c28-dojot-F60C28",
    ],
)
def test_password_that_can_be_guessed_is_refused_and_not_repeated(password):
    sentence = told(candidate(password=password))

    assert sentence.startswith("The password is guessable")
    assert password not in sentence


def test_default_rule_takes_any_password():
    assert list(PasswordRule().problems(candidate(password="x"))) == []


def test_refusal_names_the_profile_the_subject_and_every_broken_rule():
    with pytest.raises(EndEntityProfileViolation) as refusal:
        PROFILE.check(candidate("CN=f60c28", username="X", password="short-CANARY"[:5], ca_name="B"))

    text = str(refusal.value)
    assert text.startswith("Userdata did not fulfill end entity profile DEVICES, dn 'CN=f60c28': ")
    for part in ("USERNAME", "shorter than 12", "'O' must exist", "CA (B)"):
        assert part in text
    assert "short-" not in text


def test_password_alone_can_be_checked():
    PROFILE.check_password(candidate("CN=f60c28", username="X", ca_name="B"))
    with pytest.raises(EndEntityProfileViolation, match="shorter than 12"):
        PROFILE.check_password(candidate(password="short"))


def test_window_ends_its_length_after_the_password_was_set():
    armed = datetime(2026, 1, 1, tzinfo=UTC)

    assert EnrolmentWindowRule(timedelta(days=7)).end(armed) == datetime(2026, 1, 8, tzinfo=UTC)
    assert EnrolmentWindowRule().end(armed) is None


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (None, "none"),
        (timedelta(days=7), "7 days"),
        (timedelta(hours=12), "12:00:00"),
        (timedelta(days=1, hours=6), "1 days and 6:00:00"),
    ],
    ids=str,
)
def test_window_is_told_in_days(length, text):
    assert str(EnrolmentWindowRule(length)) == text


def test_every_rule_names_its_key_its_clause_and_what_it_does():
    for rule in PROFILE.rules:
        assert rule.key
        assert rule.clause
        assert rule.describe().endswith(".")
    assert len({rule.key for rule in PROFILE.rules}) == len(PROFILE.rules)


def test_candidate_does_not_show_its_password():
    assert "CANARY" not in repr(candidate(password="CANARY"))


DEVICES = AlternativeNameFieldsRule(
    (AlternativeNameField("dns", 1, 2, r"[a-z0-9]+\.devices\.example"), AlternativeNameField("ip")),
    default=(NameTemplate("dns", "{username}.devices.example"),),
)


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        ("DNS:a.devices.example", None),
        ("DNS:a.devices.example,DNS:b.devices.example,IP:192.0.2.1", None),
        ("", "Subject Alternative Name field 'DNSNAME' must exist."),
        ("DNS:a.devices.example,IP:192.0.2.1,IP:::1", "Wrong number of IPADDRESS fields in Subject Alternative Name."),
        ("DNS:a.devices.example,email:a@b.example", "Wrong number of RFC822NAME fields in Subject Alternative Name."),
        (
            "DNS:a.example",
            "Did not pass validation of field DNSNAME (in SAN). 'a.example' does not match "
            + repr(r"[a-z0-9]+\.devices\.example")
            + ".",
        ),
    ],
)
def test_alternative_names_are_those_it_must_and_may_have(names, sentence):
    asked = candidate(alternative_names=alternative_name.parse(names))

    assert list(DEVICES.problems(asked)) == ([] if sentence is None else [sentence])


def test_any_other_kind_of_name_may_be_there_where_the_profile_says_so_and_none_without_the_key():
    names = candidate(alternative_names=alternative_name.parse("URI:urn:a,URI:urn:b"))

    assert list(AlternativeNameFieldsRule(others=True).problems(names)) == []
    assert told(names) == "Wrong number of UNIFORMRESOURCEIDENTIFIER fields in Subject Alternative Name."


def test_default_names_take_the_user_name_as_data():
    assert DEVICES.default_for("f60c28") == alternative_name.parse("DNS:f60c28.devices.example")
    with pytest.raises(InvalidInput, match="does not fit into the alternative names"):
        DEVICES.default_for("a,b")
