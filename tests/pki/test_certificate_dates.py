"""From when to when: the profile's dates, narrowed by what was asked for, within the CA's own."""

import dataclasses
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput, ProfileViolation
from app.pki.certificate_dates import certificate_dates
from app.pki.period import Period
from tests.pki.authorities import TEMPLATE

NOW = datetime(2026, 3, 4, 12, 0, 0, 500_000, tzinfo=UTC)  # a Wednesday
SECOND = NOW.replace(microsecond=0)
START = SECOND - timedelta(minutes=10)
ISSUER = (NOW - timedelta(days=30), SECOND + timedelta(days=3000))
YEAR = timedelta(days=365)
DAY = timedelta(days=1)


def dates(*asked: Period, **changed):
    template = dataclasses.replace(
        TEMPLATE, **{"validity": YEAR, "backdated": timedelta(minutes=10), "asked": asked, **changed}
    )
    return certificate_dates(template, NOW, ISSUER)


def test_profile_gives_the_dates_where_nobody_asks():
    assert dates() == (START, START + YEAR)
    assert dates(longest=2 * YEAR) == (START, START + YEAR)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (Period(end=SECOND + DAY), (START, SECOND + DAY)),
        (Period(end=DAY), (START, SECOND + DAY)),
        (Period(start=SECOND + DAY), (SECOND + DAY, SECOND + DAY + YEAR)),
        (Period(start=DAY, end=2 * DAY), (SECOND + DAY, SECOND + 2 * DAY)),
        (Period(start=SECOND - DAY, end=DAY), (START, SECOND + DAY)),
        (Period(end=3 * YEAR), (START, START + 2 * YEAR)),
        (Period(start=3 * YEAR - 2 * YEAR, end=3 * YEAR), (SECOND + YEAR, START + 2 * YEAR)),
        (Period(end=datetime.max.replace(tzinfo=UTC)), (START, START + 2 * YEAR)),
        (Period(end=timedelta(days=99999)), (START, START + 2 * YEAR)),
    ],
    ids=lambda value: str(value) if isinstance(value, Period) else "",
)
def test_what_is_asked_for_counts_up_to_the_longest(asked, expected):
    assert dates(asked, longest=2 * YEAR) == expected


def test_later_start_and_earlier_end_of_two_count():
    entity, request = Period(start=DAY, end=9 * DAY), Period(start=2 * DAY, end=20 * DAY)

    assert dates(entity, request, longest=YEAR) == (SECOND + 2 * DAY, SECOND + 9 * DAY)


def test_nothing_lasts_longer_than_the_issuer():
    assert dates(Period(end=ISSUER[1] + YEAR), longest=100 * YEAR)[1] == ISSUER[1]
    assert dates(validity=100 * YEAR)[1] == ISSUER[1]


def test_longest_may_be_a_date():
    assert dates(Period(end=YEAR), longest=SECOND + 5 * DAY)[1] == SECOND + 5 * DAY


@pytest.mark.parametrize(
    "asked",
    [
        Period(end=SECOND - DAY),
        Period(end=SECOND),
        Period(start=5 * DAY, end=4 * DAY),
        Period(start=4 * YEAR),
        Period(start=YEAR, end=YEAR),
    ],
    ids=str,
)
def test_dates_between_which_there_is_no_time_are_refused(asked):
    with pytest.raises(ProfileViolation, match="no time at all"):
        dates(asked, longest=2 * YEAR)


def test_profile_whose_end_is_past_refuses():
    with pytest.raises(ProfileViolation, match="has ended at 2026-03-04 11"):
        dates(validity=SECOND - timedelta(hours=1))


@pytest.mark.parametrize(("days", "moved"), [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2), (6, 6)])
def test_end_on_a_weekday_that_is_excluded_moves_to_a_day_before(days, moved):
    """The fourth of March is a Wednesday, so the third to fifth day after it are Saturday to Monday."""
    no_end_on = frozenset({5, 6, 0})

    end = dates(validity=timedelta(days=days, minutes=10), no_end_on=no_end_on)[1]

    assert end == SECOND + timedelta(days=moved)


def test_an_end_on_the_first_day_there_is_is_refused_like_any_that_is_past():
    with pytest.raises(ProfileViolation, match="no time at all"):
        dates(Period(end=datetime.min.replace(tzinfo=UTC)), longest=YEAR, no_end_on=frozenset({0}))


@given(
    start=st.none() | st.timedeltas(timedelta(0), timedelta(days=40000)),
    end=st.none() | st.timedeltas(timedelta(0), timedelta(days=40000)),
    longest=st.timedeltas(YEAR, timedelta(days=36525)),
    no_end_on=st.frozensets(st.integers(0, 6), max_size=6),
)
def test_what_is_asked_for_never_widens(start, end, longest, no_end_on):
    asked = Period(start, end)
    try:
        not_before, not_after = dates(asked, longest=longest, no_end_on=no_end_on)
    except ProfileViolation:
        return
    assert START <= not_before < not_after <= min(ISSUER[1], START + max(longest, YEAR))
    assert start is None or not_before >= SECOND + start
    assert end is None or not_after <= SECOND + end
    assert not_after.weekday() not in no_end_on


@pytest.mark.parametrize(
    ("text", "meant", "written"),
    [
        ("2030-12-31 23:59:59+00:00", datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC), "2030-12-31 23:59:59+00:00"),
        ("2030-12-31T23:59:59Z", datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC), "2030-12-31 23:59:59+00:00"),
        ("2031-01-01 01:59:59+02:00", datetime(2030, 12, 31, 23, 59, 59, tzinfo=UTC), "2030-12-31 23:59:59+00:00"),
        ("2030-12-31", datetime(2030, 12, 31, tzinfo=UTC), "2030-12-31 00:00:00+00:00"),
        ("365:0:0", timedelta(days=365), "365:0:0"),
        ("1:12:30", timedelta(days=1, hours=12, minutes=30), "1:12:30"),
        ("0:36:90", timedelta(hours=37, minutes=30), "1:13:30"),
        ("", None, ""),
        (None, None, ""),
    ],
)
def test_dates_are_read_as_ejbca_and_iso_8601_write_them(text, meant, written):
    period = Period.from_texts(text, None)

    assert (period.start, period.texts()[0]) == (meant, written)
    assert Period.from_texts(None, written).end == meant


@pytest.mark.parametrize(
    "text", ["tomorrow", "1:2", "-1:0:0", "2030-13-01", "0001-01-01 00:00:00+14:00", "30d", "\ud800"]
)
def test_what_is_no_date_is_refused_in_ejbcas_words(text):
    with pytest.raises(InvalidInput, match="Invalid date format in EndTime"):
        Period.from_texts("", text)
