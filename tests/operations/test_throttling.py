import pytest

from app.errors import InvalidInput, NotFound, TooManyFailures, WrongPassword
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR

pytestmark = pytest.mark.both_databases

REQUEST = one_line(csr())


def guess(installation, username="f60c28", *, times=1, services=None):
    """Make wrong guesses, waiting before each for the lock of the one before."""
    services = services or installation.services
    for _ in range(times):
        try:
            services.issuance.enrolment.admit(username, ACTOR.address)
        except TooManyFailures as locked:
            installation.clock.advance(seconds=locked.retry_after)
        with pytest.raises(WrongPassword):
            services.issuance.issue(username, "wrong", REQUEST, ACTOR)


def locked_for(installation, username="f60c28", password="dojot", services=None) -> int:
    services = services or installation.services
    with pytest.raises(TooManyFailures) as refusal:
        services.issuance.issue(username, password, REQUEST, ACTOR)
    return refusal.value.retry_after


def test_five_wrong_passwords_are_free(installation):
    """A43."""
    installation.add()
    guess(installation, times=5)

    assert installation.sign("f60c28", "dojot", REQUEST)


def test_right_password_is_refused_while_locked_and_works_after(installation):
    """A43."""
    installation.add()
    guess(installation, times=6)

    seconds = locked_for(installation)
    installation.clock.advance(seconds=seconds)

    assert installation.sign("f60c28", "dojot", REQUEST)


def test_lock_doubles_from_one_second_up_to_fifteen_minutes(installation):
    """A43."""
    installation.add()
    guess(installation, times=5)
    locks = []
    for _ in range(13):
        guess(installation)
        before = installation.clock.now
        while True:
            installation.clock.advance(seconds=0.5)
            try:
                installation.services.issuance.enrolment.admit("f60c28", ACTOR.address)
            except TooManyFailures:
                continue
            break
        locks.append((installation.clock.now - before).total_seconds())

    assert locks == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900]


def test_time_to_wait_that_is_told_is_not_longer_than_the_lock_by_a_second(installation):
    installation.add()
    guess(installation, times=6)

    assert locked_for(installation) == 1


def test_attempts_while_locked_do_not_make_the_lock_longer(installation):
    installation.add()
    guess(installation, times=7)
    for _ in range(20):
        locked_for(installation, password="wrong")
    installation.clock.advance(seconds=2)

    assert installation.sign("f60c28", "dojot", REQUEST)


def test_lock_survives_a_restart(installation, reopen):
    """A43."""
    installation.add()
    guess(installation, times=8)

    assert locked_for(installation, services=reopen().services) >= 4


def test_lock_counts_wrong_passwords_of_all_processes_together(installation, reopen):
    """A43."""
    installation.add()
    other = reopen().services
    guess(installation, times=3)
    guess(installation, times=3, services=other)

    assert locked_for(installation)
    assert locked_for(installation, services=other)


def test_lock_of_one_end_entity_leaves_another_alone(installation):
    """A11: two spellings never share a counter."""
    installation.add("Dev1")
    installation.add("dev1")
    guess(installation, "Dev1", times=6)

    assert installation.sign("dev1", "dojot", REQUEST)


def test_success_forgets_the_wrong_passwords(installation):
    installation.add()
    guess(installation, times=5)
    installation.sign("f60c28", "dojot", REQUEST)
    installation.add()

    guess(installation, times=5)
    installation.sign("f60c28", "dojot", one_line(csr(signing_key=key())))


@pytest.mark.parametrize("act", ["put", "rearm"])
def test_admin_unlocks_an_end_entity_by_arming_it_again(installation, act):
    installation.add()
    guess(installation, times=8)
    if act == "put":
        installation.add(password="another")
    else:
        installation.services.end_entities.rearm("f60c28", "another", ACTOR)

    assert installation.sign("f60c28", "another", REQUEST)


def test_unknown_name_is_locked_like_a_known_one(installation):
    """A44."""
    guess(installation, "nobody", times=6)

    assert locked_for(installation, "nobody")


def test_guesses_at_many_unknown_names_do_not_fill_the_database(installation):
    with installation.services.database.transaction():
        for number in range(1200):
            installation.services.issuance.enrolment.count_failure(f"nobody{number}", "-", installation.clock())

    counters = [row[0] for row in installation.sql("SELECT subject FROM password_failures")]
    assert len(counters) <= 1024 + 1
    assert all("/" in counter for counter in counters)


def test_wrong_password_in_a_wrong_state_counts_too(installation):
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)
    for _ in range(6):
        with pytest.raises(Exception, match="status GENERATED"):
            installation.sign("f60c28", "wrong", REQUEST)

    assert locked_for(installation)


def test_wrong_password_changes_nothing_but_the_counter(installation):
    installation.add()
    before = installation.sql("SELECT * FROM end_entities")
    guess(installation)

    assert installation.sql("SELECT * FROM end_entities") == before
    counters = installation.sql("SELECT subject, failures FROM password_failures ORDER BY subject")
    assert counters == [("everywhere/", 1), ("f60c28", 1)]


def test_impossible_password_is_no_guess(installation):
    """A45."""
    installation.add()
    for password in ["", "a\0b", "\ud800", "a" * 1_000_000]:
        with pytest.raises(InvalidInput):
            installation.sign("f60c28", password, REQUEST)

    assert installation.sql("SELECT * FROM password_failures") == []


def test_locked_attempt_is_not_audited_again_and_again(installation):
    installation.add()
    guess(installation, times=6)
    before = installation.last_audit()["seq"]
    for _ in range(10):
        locked_for(installation)

    assert installation.last_audit()["seq"] == before


def test_deleted_end_entity_leaves_no_counter(installation):
    installation.add()
    guess(installation, times=6)
    installation.services.end_entities.delete("f60c28", ACTOR)

    assert installation.sql("SELECT * FROM password_failures WHERE subject NOT LIKE '%/%'") == []
    with pytest.raises(NotFound):
        installation.services.end_entities.find("f60c28")


def test_a_free_failure_recorded_a_moment_later_blocks_nobody(installation):
    """Two requests at once: the other's wrong password is dated after our look at the clock."""
    installation.add()
    with pytest.raises(WrongPassword):
        installation.sign("f60c28", "wrong", one_line(csr()))
    installation.clock.advance(milliseconds=-1)
    installation.sign("f60c28", "dojot", one_line(csr()))
