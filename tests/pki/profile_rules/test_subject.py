import pytest
from cryptography.x509.oid import NameOID

from app.pki import distinguished_name
from app.pki.profile_rules import SubjectRule
from tests.pki.profile_rules.requests import asking, refusals


def subject(rule, request) -> str:
    return distinguished_name.to_string(rule.subject(request))


def template(text: str) -> SubjectRule:
    return SubjectRule(template=distinguished_name.parse(text))


def test_subject_is_the_end_entitys():
    assert subject(SubjectRule(), asking()) == "CN=f60c28,OU=lab,O=dojot,C=BR"


def test_listed_attributes_are_kept_in_the_order_listed():
    rule = SubjectRule(attributes=(NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME))

    assert subject(rule, asking()) == "O=dojot,CN=f60c28"
    assert subject(rule, asking(subject="CN=a")) == "CN=a"


def test_template_is_filled_with_the_end_entitys_names():
    rule = template("CN={username},OU={common_name},O=things")

    assert subject(rule, asking(username="u", subject="CN=c")) == "CN=u,OU=c,O=things"


@pytest.mark.parametrize("username", ["a,O=evil", "a+CN=admin", "{common_name}", "\\", '"'])
def test_what_fills_a_template_is_never_read_as_syntax(username):
    made = template("CN={username},O=things").subject(asking(username=username))

    assert [attribute.value for attribute in made] == [username, "things"]


def test_value_that_does_not_fit_its_place_is_refused():
    assert "cannot be made" in refusals(template("CN=x-{username}"), asking(username="a" * 64))[0]


@pytest.mark.parametrize("subject", ["CN=f60c28,CN=admin", "CN=admin,CN=f60c28"])
def test_second_common_name_does_not_slip_past_the_pattern(subject):
    assert "several common names" in refusals(SubjectRule(common_name="[a-f0-9]{6}"), asking(subject=subject))[0]
    assert not refusals(SubjectRule(), asking(subject=subject))


def test_pattern_of_the_common_name_reads_ascii_alone():
    rule = SubjectRule(common_name=r"\d+")

    assert not refusals(rule, asking(subject="CN=12"))
    assert refusals(rule, asking(subject="CN=\N{ARABIC-INDIC DIGIT ONE}"))


def test_common_name_must_match_whole():
    rule = SubjectRule(common_name="[a-f0-9]{6}")

    assert not refusals(rule, asking())
    assert "does not match" in refusals(rule, asking(subject="CN=f60c280"))[0]
