"""Wrong passwords from one address, and from everywhere, whatever the names (A43, A51)."""

import dataclasses
import itertools
from datetime import timedelta

import pytest

from app.errors import AddressBlocked, GuessingBlocked, MalformedRequest, TooManyFailures, WrongPassword
from app.operations.enrolment_password import EnrolmentPasswords
from app.operations.guess_limits import Bucket, source_of
from app.store.end_entities import Failures
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR

pytestmark = pytest.mark.both_databases

REQUEST = one_line(csr())
_numbers = itertools.count()
CHOSEN = "chosen by a person"
AN_HOUR = 6
"""So many may come at once, and one more every ten minutes."""


@pytest.fixture
def installation(make_installation):
    """What ``reopen`` opens anew."""
    return make_installation(MIDCA_ADDRESS_FAILURES=str(AN_HOUR), MIDCA_TOTAL_FAILURES="12")


@pytest.fixture
def limited(installation):
    return installation


def sign(installation, username, password, address, *, request=REQUEST, services=None):
    actor = dataclasses.replace(ACTOR, address=address)
    return (services or installation.services).issuance.issue(username, password, request, actor)


def guess(installation, *, times, address="203.0.113.7", services=None):
    """One wrong password for each of so many names, so that no name is locked."""
    for _ in range(times):
        with pytest.raises(WrongPassword):
            sign(installation, f"nobody{next(_numbers)}", "wrong", address, services=services)


def test_one_guess_at_each_of_many_names_blocks_the_address(limited):
    """A51."""
    limited.add()
    guess(limited, times=AN_HOUR)

    with pytest.raises(AddressBlocked) as refusal:
        sign(limited, "f60c28", "dojot", "203.0.113.7")

    assert refusal.value.retry_after == 600
    assert sign(limited, "f60c28", "dojot", "203.0.113.8")


def test_address_gets_room_for_one_more_from_time_to_time(limited):
    guess(limited, times=AN_HOUR)
    for _ in range(3):
        limited.clock.advance(minutes=10)
        guess(limited, times=1)
        with pytest.raises(AddressBlocked):
            sign(limited, "nobody", "wrong", "203.0.113.7")

    limited.clock.advance(hours=1)
    guess(limited, times=AN_HOUR)


def test_block_of_an_address_holds_in_all_processes_and_after_a_restart(limited, reopen):
    """A43."""
    guess(limited, times=AN_HOUR // 2)
    guess(limited, times=AN_HOUR // 2, services=reopen().services)

    for services in (limited.services, reopen().services):
        with pytest.raises(AddressBlocked):
            sign(limited, "f60c28", "dojot", "203.0.113.7", services=services)


def test_ipv6_network_is_one_address(limited):
    for number in range(AN_HOUR):
        guess(limited, times=1, address=f"2001:db8::{number}")

    with pytest.raises(AddressBlocked):
        sign(limited, "f60c28", "dojot", "2001:db8::ffff:1")
    guess(limited, times=1, address="2001:db8:0:1::1")


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("-", None),
        ("", None),
    ],
)
def test_source_of_an_address(address, source):
    assert source_of(address) == source


def test_guesses_from_everywhere_end_in_the_limit_of_all(limited):
    """A51."""
    for number in range(12):
        guess(limited, times=1, address=f"203.0.113.{number}")

    with pytest.raises(GuessingBlocked) as refusal:
        sign(limited, "nobody", "wrong", "203.0.113.99")
    assert refusal.value.retry_after == 300


def test_who_guesses_everywhere_stops_no_device_whose_password_nobody_can_guess(limited):
    limited.add("chosen", CHOSEN)
    limited.add("random", "0123456789abcdef0123456789abcdef")
    limited.add("default", "dojot")
    for number in range(12):
        guess(limited, times=1, address=f"203.0.113.{number}")

    with pytest.raises(GuessingBlocked):
        sign(limited, "chosen", CHOSEN, "203.0.113.99")
    assert sign(limited, "random", "0123456789abcdef0123456789abcdef", "203.0.113.99")
    assert sign(limited, "default", "dojot", "203.0.113.99", request=one_line(csr(signing_key=key(1))))
    limited.clock.advance(minutes=5)
    assert sign(limited, "chosen", CHOSEN, "203.0.113.99", request=one_line(csr(signing_key=key(2))))


def test_blocked_caller_is_refused_before_the_request_is_parsed_and_nothing_is_written(limited):
    guess(limited, times=AN_HOUR)
    before = (limited.last_audit()["seq"], limited.sql("SELECT * FROM password_failures ORDER BY subject"))

    with pytest.raises(AddressBlocked):
        sign(limited, "nobody", "wrong", "203.0.113.7", request="no request")

    assert (limited.last_audit()["seq"], limited.sql("SELECT * FROM password_failures ORDER BY subject")) == before
    with pytest.raises(MalformedRequest):
        sign(limited, "nobody", "wrong", "203.0.113.8", request="no request")


def test_right_passwords_are_not_counted(limited):
    limited.add()
    sign(limited, "f60c28", "dojot", "203.0.113.7")

    assert limited.sql("SELECT * FROM password_failures") == []


def test_lock_of_a_name_comes_before_that_of_the_address(limited):
    """Who tries one name again and again learns how long that one is locked."""
    for _ in range(6):
        with pytest.raises(WrongPassword):
            sign(limited, "nobody", "wrong", "203.0.113.7")

    with pytest.raises(TooManyFailures, match="for nobody"):
        sign(limited, "nobody", "wrong", "203.0.113.7")


def test_addresses_are_forgotten_when_they_would_be_let_through_anyway(limited):
    for number in range(10):
        guess(limited, times=1, address=f"203.0.113.{number}")
    limited.clock.advance(minutes=10, seconds=1)
    guess(limited, times=1, address="203.0.113.99")

    addresses = limited.sql("SELECT subject FROM password_failures WHERE subject LIKE 'address/%'")
    assert addresses == [("address/203.0.113.99",)]


def test_no_limit_is_no_limit(make_installation):
    unlimited = make_installation(MIDCA_ADDRESS_FAILURES="0", MIDCA_TOTAL_FAILURES="0")
    guess(unlimited, times=20)

    assert unlimited.sql("SELECT * FROM password_failures WHERE subject NOT LIKE 'unknown/%'") == []


def test_command_line_has_no_address_to_be_blocked(limited):
    guess(limited, times=AN_HOUR + 1, address="-")


def test_never_more_than_its_size_in_an_hour_and_what_came_back_meanwhile(limited):
    bucket, now = Bucket(AN_HOUR), limited.clock()
    record, let_through = None, 0
    for minute in range(121):
        moment = now + timedelta(minutes=minute)
        while record is None or record.blocked_until <= moment:
            let_through += 1
            record = Failures(1, bucket.blocked_until(record, moment))

    assert let_through == AN_HOUR + 2 * AN_HOUR


def test_clock_that_was_ahead_leaves_no_address_blocked_and_none_without_limit(limited):
    """F18."""
    limited.clock.advance(days=2)
    guess(limited, times=AN_HOUR)
    limited.clock.advance(days=-1)

    guess(limited, times=AN_HOUR)

    with pytest.raises(AddressBlocked):
        sign(limited, "f60c28", "dojot", "203.0.113.7")


def test_guesses_that_were_admitted_together_do_not_end_the_limit(limited):
    """More of them than a block is long: it must not look like one from before the clock was set back."""
    enrolment, now = limited.services.issuance.enrolment, limited.clock()
    for number in range(3 * AN_HOUR):
        with limited.services.database.transaction():
            enrolment.count_failure(f"nobody{number}", "203.0.113.7", now)

    with pytest.raises(AddressBlocked) as refusal:
        sign(limited, "f60c28", "dojot", "203.0.113.7")
    assert refusal.value.retry_after == 3600


def test_right_password_among_many_guesses_at_the_same_moment_is_refused(limited, monkeypatch):
    """It was admitted with them; that they were wrong is known when its own turn to enrol comes."""
    limited.add("f60c28", CHOSEN)
    enrolment, matches = limited.services.issuance.enrolment, EnrolmentPasswords.matches

    def while_others_guess(*arguments) -> bool:
        for number in range(7):
            with limited.services.database.transaction():
                enrolment.count_failure("f60c28", f"203.0.113.{number}", limited.clock())
        return matches(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(EnrolmentPasswords, "matches", while_others_guess)
        with pytest.raises(TooManyFailures):
            sign(limited, "f60c28", CHOSEN, "203.0.113.200")
    assert limited.services.end_entities.find("f60c28").may_enrol
