from datetime import UTC, datetime, timedelta

from app.pki.period import Period
from app.pki.profile_rules import ValidityRule
from tests.pki.profile_rules.requests import asking, refusals, verdicts

YEAR = timedelta(days=365)
ASKED = (Period(end=timedelta(days=30)),)


def test_dates_that_nobody_may_ask_for_are_refused():
    rule = ValidityRule(YEAR, timedelta(minutes=10))

    assert verdicts(rule, asking()) == ["written"]
    assert refusals(rule, asking(asked=ASKED)) == [
        "The profile lets nobody choose the dates of a certificate: until 30:0:0 was asked for."
    ]


def test_dates_that_may_be_asked_for_are_kept():
    rule = ValidityRule(YEAR, timedelta(minutes=10), longest=2 * YEAR)

    assert verdicts(rule, asking()) == ["written"]
    assert verdicts(rule, asking(asked=ASKED * 2)) == ["kept", "kept"]


def test_rule_says_what_it_does():
    rule = ValidityRule(YEAR, timedelta(minutes=10), datetime(2030, 1, 1, tzinfo=UTC), frozenset({6, 5}))

    assert rule.describe() == (
        "365 days, or to the end of the CA if sooner; starts 10 minutes before it is signed; other dates may be asked "
        "for (Until 2030-01-01T00:00:00+00:00 at most); never ends on saturday, sunday, but before."
    )
