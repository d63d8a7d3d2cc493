"""Acts of several threads share a commit, and are each whole or not there all the same."""

import threading
import uuid

import pytest

from app.errors import StoreUnavailable
from app.store import group_commit
from app.store.postgresql import PostgresDatabase, PostgresWritingConnection
from app.store.sqlite import SqliteDatabase
from app.store.sqlite_connection import SqliteWritingConnection


@pytest.fixture(params=["sqlite", "postgresql"])
def another(request, tmp_path):
    """Return what opens the database once more, as another process would."""
    if request.param == "sqlite":
        SqliteDatabase.create(tmp_path / "midca.sqlite")
        return lambda: SqliteDatabase(tmp_path / "midca.sqlite")
    address = request.getfixturevalue("postgresql").create(f"t{uuid.uuid4().hex}")
    return lambda: PostgresDatabase(address, readers=4)


@pytest.fixture
def database(another):
    made = another()
    with made.transaction():
        made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
        made.execute("CREATE TABLE parent (a INTEGER PRIMARY KEY)")
        made.execute("CREATE TABLE child (a INTEGER REFERENCES parent (a) DEFERRABLE INITIALLY DEFERRED)")
    yield made
    made.close()


@pytest.fixture
def commits(monkeypatch):
    """Every COMMIT that is sent to the database; one takes all who wait, however slow the machine is."""
    monkeypatch.setattr(group_commit, "_LONGEST", 60)
    sent = []

    def watch(commit):
        def watched(connection):
            sent.append("COMMIT")
            return commit(connection)

        return watched

    for kind in (SqliteWritingConnection, PostgresWritingConnection):
        monkeypatch.setattr(kind, "commit", watch(kind.commit))
    return sent


class Act(threading.Thread):
    """A transaction in a thread of its own: begun, then kept open until it is told to go on."""

    def __init__(self, database, body) -> None:
        super().__init__()
        self._database, self._body = database, body
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.failure = None
        self.start()

    def run(self) -> None:
        try:
            with self._database.transaction():
                self.inside.set()
                self.go_on.wait()
                self._body()
        except Exception as error:  # noqa: BLE001 -- the test looks at it
            self.failure = error


def together(database, *bodies):
    """Run acts so that all wait for the first one's turn to end; return their failures."""
    first = Act(database, bodies[0])
    first.inside.wait()
    others = [Act(database, body) for body in bodies[1:]]
    for act in others:
        act.go_on.set()
    wait_for_queue(database, len(others))
    first.go_on.set()
    acts = [first, *others]
    for act in acts:
        act.join()
    return [act.failure for act in acts]


def wait_for_queue(database, length: int = 1) -> None:
    while database._writer._waiting < length:
        pass


def numbers(database) -> list[int]:
    return [row["a"] for row in database.rows("SELECT a FROM t ORDER BY a")]


def insert(database, number: int):
    return lambda: database.insert("t", {"a": number})


def test_acts_that_wait_for_each_other_share_a_commit(database, commits):
    assert together(database, *(insert(database, number) for number in range(8))) == [None] * 8

    assert numbers(database) == list(range(8))
    assert len(commits) == 1


@pytest.mark.parametrize("place", [0, 1], ids=["the first", "one behind it"])
def test_act_that_fails_takes_no_other_with_it(database, place):
    def fail():
        database.insert("t", {"a": 100})
        raise RuntimeError("in the middle")

    acts = [insert(database, 1), insert(database, 2)]
    acts.insert(place, fail)
    failures = together(database, *acts)

    assert [type(failure) for failure in failures if failure] == [RuntimeError]
    assert type(failures[place]) is RuntimeError
    assert numbers(database) == [1, 2]


def test_who_is_refused_for_what_another_did_goes_on_when_that_is_on_disk(database, another, commits):
    elsewhere, seen = another(), []

    def refuse():
        seen.append(len(database.rows("SELECT a FROM t")))
        raise RuntimeError("it is there already")

    first = Act(database, insert(database, 1))
    first.inside.wait()
    refused = Act(database, refuse)
    while database._writer._waiting < 1:
        pass
    last = Act(database, insert(database, 2))
    while database._writer._waiting < 2:
        pass
    refused.go_on.set()
    first.go_on.set()
    last.inside.wait()
    refused.join(0.3)
    goes_on_too_early = not refused.is_alive()
    last.go_on.set()
    for act in (first, refused, last):
        act.join()

    assert len(commits) == 1
    assert seen == [1]
    assert not goes_on_too_early
    assert isinstance(refused.failure, RuntimeError)
    assert numbers(elsewhere) == [1, 2]
    elsewhere.close()


def test_refusal_for_what_was_not_committed_is_none(database, commits, monkeypatch):
    def fail(_connection):
        raise StoreUnavailable("The disk is full.")

    def refuse():
        raise RuntimeError("it is there already")

    for kind in (SqliteWritingConnection, PostgresWritingConnection):
        monkeypatch.setattr(kind, "commit", fail)
    failures = together(database, insert(database, 1), refuse, insert(database, 2))

    assert [str(failure) for failure in failures] == ["The disk is full."] * 3


def test_broken_constraint_is_one_acts_failure(database):
    failures = together(database, insert(database, 1), insert(database, 1), insert(database, 2))

    assert sorted(type(failure).__name__ for failure in failures) == ["NoneType", "NoneType", "StoreUnavailable"]
    assert numbers(database) == [1, 2]


def test_commit_that_fails_is_everybodys_failure_and_the_next_one_works(database):
    def orphan():
        database.insert("child", {"a": 7})  # found at the commit alone

    failures = together(database, insert(database, 1), orphan, insert(database, 2))

    assert [type(failure) for failure in failures] == [StoreUnavailable] * 3
    assert numbers(database) == []
    with database.transaction():
        insert(database, 3)()
    assert numbers(database) == [3]


def test_transaction_that_sqlite_takes_back_is_everybodys_failure(database):
    def lose():
        database.execute("ROLLBACK")  # as SQLite does by itself when the disk is full
        raise StoreUnavailable("The disk is full.")

    failures = together(database, insert(database, 1), lose)

    assert [type(failure) for failure in failures] == [StoreUnavailable] * 2
    assert numbers(database) == []
    with database.transaction():
        insert(database, 3)()
    assert numbers(database) == [3]


def test_refusal_is_told_when_what_it_rests_on_is_on_disk(database, commits):
    """Who asks again because of it must see what made it so."""

    def refuse():
        assert numbers(database) == [1]
        raise RuntimeError("somebody was faster")

    first = Act(database, insert(database, 1))
    first.inside.wait()
    refused = Act(database, refuse)
    wait_for_queue(database)
    first.go_on.set()
    refused.inside.wait()
    last = Act(database, insert(database, 2))
    wait_for_queue(database)
    refused.go_on.set()
    last.inside.wait()

    refused.join(0.2)
    assert refused.is_alive()

    last.go_on.set()
    for act in (first, refused, last):
        act.join()
    assert [type(act.failure) for act in (first, refused, last)] == [type(None), RuntimeError, type(None)]
    assert len(commits) == 1


def test_transaction_inside_of_a_transaction_is_a_bug(database):
    with pytest.raises(RuntimeError, match="inside"), database.transaction(), database.transaction():
        pass


def test_another_process_waits_no_longer_than_a_commit(database, another):
    """The place in the line is given up with the commit, not when nobody comes any more."""
    together(database, insert(database, 1), insert(database, 2))
    other = another()
    with other.transaction():
        other.insert("t", {"a": 3})
    other.close()

    assert numbers(database) == [1, 2, 3]
