import fcntl
import os
import threading

import pytest

from app.errors import ConfigurationError, StoreUnavailable
from app.settings import shipped
from app.store.database import Database, check_readable
from app.store.schema import migrate


@pytest.fixture
def database(tmp_path):
    made = Database.create(tmp_path / "midca.sqlite")
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
        Database.create(tmp_path / "midca.sqlite")
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
    database = Database(tmp_path / "none.sqlite")

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
        finally:
            database.close()

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
    garbage = Database(database.path.with_name("garbage"))

    with pytest.raises(ConfigurationError, match=r"garbage: .*cannot be used"):
        check_readable(garbage)
    garbage.close()


def test_schema_is_brought_up_to_date_once(tmp_path):
    database = Database.create(tmp_path / "midca.sqlite")

    assert migrate(database, shipped("migrations"))[0] == "0001_initial"
    assert migrate(database, shipped("migrations")) == []
    database.close()


def test_database_of_a_newer_program_is_refused(tmp_path):
    database = Database.create(tmp_path / "midca.sqlite")
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
    database = Database.create(tmp_path / "midca.sqlite")

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


def test_a_waiting_writer_is_not_overtaken_by_readers_that_come_later(database):
    order = []

    def write():
        with database.transaction():
            order.append("writer")
        database.close()

    def read():
        database.rows("SELECT 1")
        order.append("reader")
        database.close()

    database.rows("SELECT 1")  # the lock files are there
    lock, gate = (database.path.with_name(f"{database.path.name}.{suffix}").open() for suffix in ("lock", "gate"))
    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    with lock, gate:
        fcntl.flock(lock, fcntl.LOCK_SH)  # a reader that is at it
        writer.start()
        _wait_until_somebody_holds(gate)
        reader.start()
        reader.join(0.2)
        assert order == []
    writer.join()
    reader.join()
    assert order == ["writer", "reader"]


def _wait_until_somebody_holds(file) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        fcntl.flock(file, fcntl.LOCK_UN)
