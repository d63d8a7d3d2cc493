"""What a caller sends and no database can hold is the caller's fault, on both databases alike: no reason to try again."""

import pytest

from app.errors import InvalidInput, StoreUnavailable

pytestmark = pytest.mark.both_databases

IMPOSSIBLE = {
    "NUL": "a\0b",
    "half of a surrogate pair": "a\ud800",
    "a byte that is no UTF-8, on a command line": b"\xff".decode(errors="surrogateescape"),
    "65 bits": 1 << 63,
    "65 bits, negative": -(1 << 63) - 1,
}


@pytest.fixture
def database(installation):
    return installation.services.database


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_value_that_no_database_holds_is_refused_wherever_it_is_asked_for(database, value):
    column = "username" if isinstance(value, str) else "status"
    sql = f"SELECT username FROM end_entities WHERE {column} = :value"  # noqa: S608 -- from above
    for read in (database.row, database.rows, database.tuples):
        with pytest.raises(InvalidInput, match="What was sent"):
            read(sql, value=value)


@pytest.mark.parametrize("value", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_value_that_no_database_holds_stops_the_act_and_nothing_else(installation, database, value):
    column = "password_verifier" if isinstance(value, str) else "status"
    installation.add("before")

    def act() -> None:
        installation.services.end_entities.store.disarm("before")
        database.execute(f"UPDATE end_entities SET {column} = :value", value=value)  # noqa: S608 -- from above

    with pytest.raises(InvalidInput, match="What was sent"), database.transaction():
        act()

    assert installation.sql("SELECT count(*) FROM end_entities WHERE password_verifier IS NOT NULL") == [(1,)]
    installation.add("after")


@pytest.mark.parametrize("number", [(1 << 63) - 1, -(1 << 63)])
def test_greatest_numbers_and_every_other_character_are_held(database, number):
    text = "\x01\x7f\u0080\ud7ff\ue000\uffff\U0010ffff"
    with database.transaction():
        database.insert("password_failures", {"subject": text, "failures": number, "blocked_until": ""})

    sql = "SELECT failures FROM password_failures WHERE subject = :subject AND failures = :failures"
    assert database.tuples(sql, subject=text, failures=number) == [(number,)]


def test_what_is_wrong_with_the_database_stays_its_own_fault(database):
    with pytest.raises(StoreUnavailable):
        database.rows("SELECT none FROM end_entities")
