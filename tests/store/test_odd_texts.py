"""A text that PostgreSQL cannot hold is the caller's fault on both databases: no reason to try again."""

import pytest

from app.errors import InvalidInput, StoreUnavailable

pytestmark = pytest.mark.both_databases


@pytest.fixture
def database(installation):
    return installation.services.database


def test_nul_is_refused_wherever_it_is_asked_for(database):
    for read in (database.row, database.rows, database.tuples):
        with pytest.raises(InvalidInput, match=r"U\+0000"):
            read("SELECT username FROM end_entities WHERE username = :name", name="a\0b")


def test_nul_that_is_to_be_written_stops_the_act_and_nothing_else(installation, database):
    installation.add("before")

    def act() -> None:
        installation.services.end_entities.store.disarm("before")
        database.execute("UPDATE end_entities SET password_verifier = :verifier", verifier="a\0b")

    with pytest.raises(InvalidInput, match=r"U\+0000"), database.transaction():
        act()

    assert installation.sql("SELECT count(*) FROM end_entities WHERE password_verifier IS NOT NULL") == [(1,)]
    installation.add("after")


def test_every_other_character_is_held(database):
    text = "\x01\x7f\u0080\ud7ff\ue000\uffff\U0010ffff"
    with database.transaction():
        database.insert("password_failures", {"subject": text, "failures": 1, "blocked_until": ""})

    assert database.tuples("SELECT failures FROM password_failures WHERE subject = :subject", subject=text) == [(1,)]


def test_what_is_wrong_with_the_database_stays_its_own_fault(database):
    with pytest.raises(StoreUnavailable):
        database.rows("SELECT none FROM end_entities")
