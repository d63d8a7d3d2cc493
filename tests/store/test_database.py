import os
import threading

import pytest

from app.errors import ConfigurationError, StoreUnavailable
from app.settings import shipped
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase, check_readable


@pytest.fixture(params=[True, False], ids=["write-ahead log", "rollback journal"])
def database(tmp_path, request):
    SqliteDatabase.create(tmp_path / "midca.sqlite")
    made = SqliteDatabase(tmp_path / "midca.sqlite", wal=request.param)
    with made.transaction():
        made.execute("CREATE TABLE t (a INTEGER PRIMARY KEY)")
    yield made
    made.close()


def count(database) -> int:
    return database.row("SELECT count(*) AS n FROM t")["n"]


@pytest.mark.parametrize("mask", [0o000, 0o022])
def test_file_is_its_owners_alone_whatever_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        SqliteDatabase.create(tmp_path / "midca.sqlite")
    finally:
        os.umask(before)

    assert (tmp_path / "midca.sqlite").stat().st_mode & 0o777 == 0o600


def test_transaction_that_fails_leaves_nothing(database):
    def write_and_fail() -> None:
        with database.transaction():
            database.insert("t", {"a": 1})
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        write_and_fail()

    assert count(database) == 0


def test_write_outside_of_a_transaction_is_a_bug(database):
    with pytest.raises(RuntimeError, match="outside of a transaction"):
        database.insert("t", {"a": 1})


def test_file_that_is_gone_is_not_made_anew(tmp_path):
    database = SqliteDatabase(tmp_path / "none.sqlite")

    with pytest.raises(StoreUnavailable, match="gone"):
        database.rows("SELECT 1")
    assert not (tmp_path / "none.sqlite").exists()


def test_transactions_are_on_disk_when_they_end(database):
    assert database.row("PRAGMA synchronous")["synchronous"] == 2


def test_threads_take_turns_and_none_is_refused(database):
    failures = []

    def write(start: int) -> None:
        try:
            for number in range(20):
                with database.transaction():
                    database.insert("t", {"a": start + number})
        except Exception as error:  # noqa: BLE001 -- whatever it is, the test shows it
            failures.append(error)

    threads = [threading.Thread(target=write, args=(1000 * index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert count(database) == 160


def test_file_that_is_no_database_is_refused(database):
    check_readable(database)
    database.path.with_name("garbage").write_bytes(b"garbage" * 1000)
    garbage = SqliteDatabase(database.path.with_name("garbage"))

    with pytest.raises(ConfigurationError, match=r"garbage: .*cannot be used"):
        check_readable(garbage)
    garbage.close()


def test_schema_is_brought_up_to_date_once(tmp_path):
    database = SqliteDatabase.create(tmp_path / "midca.sqlite")

    assert migrate(database, shipped("migrations"))[0] == "0001_initial"
    assert migrate(database, shipped("migrations")) == []
    database.close()


def test_database_of_a_newer_program_is_refused(tmp_path):
    database = SqliteDatabase.create(tmp_path / "midca.sqlite")
    migrate(database, shipped("migrations"))
    with database.transaction():
        database.insert("schema_migrations", {"name": "9999_future"})

    with pytest.raises(ConfigurationError, match=r"newer midca.*9999_future"):
        migrate(database, shipped("migrations"))
    database.close()


def test_migration_that_fails_leaves_the_schema_as_it_was(tmp_path):
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "0001_one.sql").write_text("CREATE TABLE one (a TEXT);\n")
    (tmp_path / "migrations" / "0002_two.sql").write_text("CREATE TABLE two (a TEXT);\nnonsense;\n")
    database = SqliteDatabase.create(tmp_path / "midca.sqlite")

    with pytest.raises(StoreUnavailable):
        migrate(database, tmp_path / "migrations")
    assert database.rows("SELECT name FROM sqlite_master") == []
    database.close()


def test_broken_constraint_is_a_failure_of_the_store_and_leaves_nothing(database):
    with database.transaction():
        database.insert("t", {"a": 1})

    def write_twice() -> None:
        with database.transaction():
            database.insert("t", {"a": 2})
            database.insert("t", {"a": 1})

    with pytest.raises(StoreUnavailable, match="UNIQUE"):
        write_twice()
    assert count(database) == 1
