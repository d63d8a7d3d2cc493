import base64
import hashlib
import hmac
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest

from app.errors import ConfigurationError, InvalidInput
from app.operations.enrolment_password import EnrolmentPasswords, random_password
from app.operations.peppers import Pepper, peppers_of

PEPPER = b"0123456789abcdef"
NOW = datetime(2026, 1, 31, tzinfo=UTC)
CHOSEN = "correct horse"
RANDOM_HEX = "0123456789abcdef0123456789ab"
RANDOM_BASE64 = "abcdefghijklmnopqrstuv"


def passwords(*peppers: bytes, default: str | None = "dojot", now: datetime = NOW) -> EnrolmentPasswords:
    return EnrolmentPasswords(lambda: peppers or (PEPPER,), default, lambda: now)


PASSWORDS = passwords()


def method(password: str) -> str:
    return PASSWORDS.verifier("f60c28", password).split("$")[1]


@pytest.mark.parametrize("password", ["dojot", CHOSEN, RANDOM_HEX, RANDOM_BASE64, "pässwörd", "a", "é" * 512])
def test_right_password_matches(password):
    assert PASSWORDS.matches("f60c28", password, PASSWORDS.verifier("f60c28", password))


@pytest.mark.parametrize(
    "other",
    ["abc ", " abc", "ABC", "Abc", "ab", "abcd", "abc\n", "abc\u200b", "\uff41bc"],
    ids=ascii,
)
def test_other_spelling_of_a_password_does_not_match(other):
    """A46."""
    assert not PASSWORDS.matches("f60c28", other, PASSWORDS.verifier("f60c28", "abc"))


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_other_unicode_form_of_a_password_does_not_match(form):
    """A46."""
    stored, given = (
        unicodedata.normalize(form, "café"),
        unicodedata.normalize("NFD" if form == "NFC" else "NFC", "café"),
    )

    assert PASSWORDS.matches("f60c28", stored, PASSWORDS.verifier("f60c28", stored))
    assert not PASSWORDS.matches("f60c28", given, PASSWORDS.verifier("f60c28", stored))


def test_verifier_of_another_end_entity_does_not_match():
    assert not PASSWORDS.matches("other", CHOSEN, PASSWORDS.verifier("f60c28", CHOSEN))


def test_verifier_made_with_another_pepper_does_not_match():
    other = passwords(b"fedcba9876543210")

    assert not other.matches("f60c28", CHOSEN, PASSWORDS.verifier("f60c28", CHOSEN))


@pytest.mark.parametrize("password", ["dojot", CHOSEN, RANDOM_HEX])
def test_unknown_end_entity_has_no_right_password(password):
    assert not PASSWORDS.matches("nobody", password, None)


@pytest.mark.parametrize("password", ["dojot", CHOSEN, RANDOM_HEX, RANDOM_BASE64])
def test_verifier_never_holds_the_password_and_never_repeats(password):
    """A63."""
    first, second = (PASSWORDS.verifier("f60c28", password) for _ in range(2))

    assert password not in first
    assert first != second


@pytest.mark.parametrize(
    ("password", "expected"),
    [
        (CHOSEN, "s"),
        ("0123456789abcdef", "s"),
        (RANDOM_BASE64[:-1], "s"),
        (RANDOM_BASE64 + " ", "s"),
        (RANDOM_HEX, "h"),
        (RANDOM_BASE64, "h"),
        ("dojot", "h"),
        ("Dojot", "s"),
    ],
)
def test_only_a_password_a_person_may_have_chosen_is_stretched(password, expected):
    assert method(password) == expected


def test_default_is_stretched_like_any_other_where_it_is_not_public():
    assert passwords(default=None).verifier("f60c28", "dojot").split("$")[1] == "s"


def test_random_password_is_never_stretched_and_never_repeats():
    passwords = {random_password() for _ in range(100)}

    assert len(passwords) == 100
    assert {method(password) for password in passwords} == {"h"}


@pytest.mark.parametrize(
    "password", ["", "a\0b", "\0", "\ud800", "a" * 1025, "é" * 513, "a" * 1_000_000], ids=lambda p: ascii(p[:8])
)
def test_password_nobody_can_have_is_refused_when_set_and_when_given(password):
    """A45."""
    with pytest.raises(InvalidInput):
        PASSWORDS.verifier("f60c28", password)
    with pytest.raises(InvalidInput):
        PASSWORDS.matches("f60c28", password, PASSWORDS.verifier("f60c28", CHOSEN))
    with pytest.raises(InvalidInput):
        PASSWORDS.matches("nobody", password, None)


def test_passwords_show_no_pepper_when_printed():
    assert PEPPER.decode() not in repr(PASSWORDS)


# Peppers that change.

OLD, NEW = b"the old pepper 0123", b"the new pepper 0123"
LATER = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize("password", ["dojot", CHOSEN, RANDOM_HEX])
def test_password_that_was_hashed_with_an_old_pepper_still_matches(password):
    verifier = passwords(OLD).verifier("f60c28", password)

    assert passwords(NEW, OLD).matches("f60c28", password, verifier)
    assert not passwords(NEW, OLD).matches("f60c28", "another", verifier)
    assert not passwords(NEW).matches("f60c28", password, verifier)


def test_new_password_is_hashed_with_the_first_pepper():
    verifier = passwords(NEW, OLD).verifier("f60c28", CHOSEN)

    assert passwords(NEW).matches("f60c28", CHOSEN, verifier)
    assert not passwords(OLD).matches("f60c28", CHOSEN, verifier)
    assert verifier.split("$")[2] == Pepper(NEW).kid != Pepper(OLD).kid


def test_old_pepper_counts_until_its_end():
    verifier = passwords(OLD).verifier("f60c28", CHOSEN)
    peppers = (NEW, Pepper(OLD, LATER).to_line())

    assert passwords(*peppers, now=LATER - timedelta(seconds=1)).matches("f60c28", CHOSEN, verifier)
    assert not passwords(*peppers, now=LATER).matches("f60c28", CHOSEN, verifier)


def test_end_of_a_pepper_comes_back_as_it_was_written():
    assert Pepper.from_line(Pepper(OLD, LATER).to_line()) == Pepper(OLD, LATER)
    assert Pepper.from_line(OLD) == Pepper(OLD)


@pytest.mark.parametrize("lines", [(OLD + b"\tuntil 2026-01-31",), (NEW, OLD + b"\tuntil soon")])
def test_end_that_makes_no_sense_is_refused(lines):
    with pytest.raises(ConfigurationError, match="end"):
        peppers_of(lines)


@pytest.mark.parametrize("stretched", ["h", "s"])
def test_verifier_of_before_peppers_had_names_matches_with_whichever_pepper_is_its_own(stretched):
    """Written by hand as the versions did that knew one pepper: ``ca1``, and no name of it."""
    salt, secret = b"s" * 16, CHOSEN.encode()
    if stretched == "s":
        secret = hashlib.scrypt(secret, salt=salt, n=2**14, r=8, p=1, dklen=32)
    mac = hmac.digest(OLD, b"enrol/1" + (6).to_bytes(2) + b"f60c28" + salt + secret, "sha256")
    verifier = f"ca1${stretched}${base64.b64encode(salt).decode()}${base64.b64encode(mac).decode()}"

    assert passwords(OLD).matches("f60c28", CHOSEN, verifier)
    assert passwords(NEW, OLD).matches("f60c28", CHOSEN, verifier)
    assert not passwords(NEW).matches("f60c28", CHOSEN, verifier)
    assert not passwords(OLD).matches("f60c28", "another", verifier)


def test_pepper_is_not_shown_when_printed():
    assert OLD.decode() not in repr(Pepper(OLD))
