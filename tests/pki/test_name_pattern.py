import time

import pytest

from app.pki.name_pattern import MAX_NAME, matches, pattern_problem


@pytest.mark.parametrize(
    "pattern",
    [
        r"[a-z0-9-]+\.devices\.example",
        r"(?:a|b)\.example",
        r"(a|b)?c{1,3}",
        r"[]a]+",
        r"[(+*]+x",
        r"a\+b\)+",
        r".{1,255}",
    ],
)
def test_plain_pattern_is_accepted(pattern):
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "(",
        "a" * 201,
        "(a+)+b",
        "(a|a)*b",
        "(a|b){1,9}",
        r"([a-z]{1,63}\.)+example",
        r"(a)\1",
        "(?=a)a",
        "(?P<n>a)(?P=n)",
        "(?i)a",
        "a*a*a*b",
        "a{0,100}a{0,100}a{0,100}b",
        "a?" * 60 + "a" * 60,
        "(?:a|aa)" * 22,
        ".*.*.?.?.?.?[a-z][a-z][a-z][a-z][a-z]A",
        "[a-z]*[a-z]*[a-z]{100}!",
        "[a-z]*[a-z]*[a-z]{100,102}!",
    ],
)
def test_pattern_that_is_none_or_can_be_slow_is_refused(pattern):
    assert pattern_problem(pattern)


def test_pattern_matches_the_whole_name():
    assert matches("a+", "aaa")
    assert not matches("a+", "aaab")
    assert not matches("a+", "aaa\n")
    assert not matches("a+", "a" * (MAX_NAME + 1))


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("[a-z]*[a-z]*a?a?1", "a" * MAX_NAME),
        ("[a-z]*[a-z]*[a-z]{20}1", "a" * MAX_NAME),
        ("a{0,31}" * 3 + "a" * 50 + "1", "a" * MAX_NAME),
        ("a?" * 15 + "a" * 20 + "1", "a" * 34),
        ("(?:a|aa)" * 14 + "1", "a" * 28),
    ],
)
def test_worst_pattern_that_is_accepted_is_quick_on_the_worst_name(pattern, name):
    """A name is anybody's."""
    assert pattern_problem(pattern) is None
    started = time.process_time()

    assert not matches(pattern, name)
    assert time.process_time() - started < 10


def test_pattern_reads_ascii_alone():
    r"""Or \\d would take the digits of every script."""
    assert matches(r"\d+", "12")
    assert not matches(r"\d+", "\N{ARABIC-INDIC DIGIT ONE}")
