"""What PostgreSQL does differently from a file: sessions end, servers restart, several write."""

import os
import socket
import threading
import uuid
from contextlib import suppress

import psycopg
import pytest

from app.bootstrap import open_services
from app.errors import ConfigurationError, StoreUnavailable
from app.settings import Settings, shipped
from app.storage import open_database
from app.store.postgresql import PostgresDatabase, PostgresTurn, PostgresWritingConnection
from app.store.schema import is_new, migrate
from tests.builders import HIERARCHY, profiles_directory
from tests.conftest import settings_for


@pytest.fixture
def address(postgresql) -> str:
    return postgresql.create(f"t{uuid.uuid4().hex}")


@pytest.fixture
def make_database(address):
    made = []

    def make() -> PostgresDatabase:
        made.append(PostgresDatabase(address, readers=4))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture
def database(make_database) -> PostgresDatabase:
    made = make_database()
    with made.transaction():
        made.script(["CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"])
    return made


def write(database: PostgresDatabase, *steps) -> None:
    """Take the steps in one transaction: a number is inserted, a function called."""
    with database.transaction():
        for step in steps:
            step() if callable(step) else database.insert("t", {"a": step})


def cut_all_sessions(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'midca'")


def test_transaction_that_fails_leaves_nothing(database):
    with pytest.raises(StoreUnavailable, match="duplicate key"):
        write(database, 1, 1)

    assert database.rows("SELECT a FROM t") == []


def test_commit_that_fails_leaves_nothing_and_the_next_one_works(database):
    """As where a constraint is looked at no earlier, or the disk is full by then."""
    with database.transaction():
        database.script(["CREATE TABLE u (a INTEGER REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED)"])

    with pytest.raises(StoreUnavailable, match="foreign key"):
        write(database, 1, lambda: database.insert("u", {"a": 2}))

    assert database.rows("SELECT a FROM t") == []
    write(database, 2, lambda: database.insert("u", {"a": 2}))
    assert database.rows("SELECT a FROM u") == [{"a": 2}]


def test_transaction_that_went_on_after_an_error_is_not_taken_for_committed(database):
    """PostgreSQL has taken it back by then, and answers to its COMMIT with ROLLBACK, which is no error."""

    def fail_and_go_on() -> None:
        with suppress(StoreUnavailable):
            database.insert("t", {"a": 1})

    with pytest.raises(StoreUnavailable, match="taken back"):
        write(database, 1, fail_and_go_on)

    assert database.rows("SELECT a FROM t") == []
    write(database, 2)
    assert database.rows("SELECT a FROM t") == [{"a": 2}]


def test_server_that_stands_still_in_a_transaction_holds_up_who_writes_and_not_who_reads(make_database, database):
    own, frozen = database, make_database()
    with own.transaction():
        own.rows("SELECT set_config('lock_timeout', '300', false)")  # instead of ten seconds

    with frozen.transaction():
        frozen.insert("t", {"a": 1})
        with pytest.raises(StoreUnavailable, match="lock timeout"):
            write(own, 2)
        assert own.rows("SELECT a FROM t") == []

    write(own, 2)
    assert own.rows("SELECT a FROM t ORDER BY a") == [{"a": 1}, {"a": 2}]


def test_integers_have_64_bits_and_text_is_in_byte_order(database):
    with database.transaction():
        for number, text in ((2**62, "~"), (2, "a"), (3, "B"), (4, "é")):
            database.insert("t", {"a": number, "b": text})

    assert [row["b"] for row in database.rows("SELECT b FROM t ORDER BY b")] == ["B", "a", "~", "é"]
    assert database.row("SELECT max(a) AS a FROM t") == {"a": 2**62}


def test_percent_signs_are_the_statements_own(database):
    with database.transaction():
        database.insert("t", {"a": 7, "b": "50%"})

    assert database.rows("SELECT a FROM t WHERE b LIKE '%\\%' AND a % 4 = :rest", rest=3) == [{"a": 7}]
    assert database.rows("SELECT a FROM t WHERE b LIKE '50%'") == [{"a": 7}]


def test_session_that_is_cut_in_a_transaction_refuses_and_the_next_one_works(database, address):
    with pytest.raises(StoreUnavailable):
        write(database, 1, lambda: cut_all_sessions(address), 2)

    with database.transaction():
        database.insert("t", {"a": 3})
    assert database.rows("SELECT a FROM t") == [{"a": 3}]


def test_session_that_is_cut_before_the_commit_refuses(database, address):
    with pytest.raises(StoreUnavailable):
        write(database, 1, lambda: cut_all_sessions(address))

    assert database.rows("SELECT a FROM t") == []


def test_sessions_that_were_cut_between_two_acts_are_missed_by_nobody(database, address):
    write(database, 1)
    database.rows("SELECT 1")
    cut_all_sessions(address)

    write(database, 2)
    assert database.rows("SELECT a FROM t ORDER BY a") == [{"a": 1}, {"a": 2}]


def test_database_that_can_only_be_read_is_not_ready_until_it_can_be_written(database, address):
    """As a standby is, or a database that its provider locks because its disk is nearly full."""
    name = address.rpartition("/")[2]
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        cut_all_sessions(address)

        for _ in range(2):
            with pytest.raises(StoreUnavailable, match="can only be read"):
                database.check_writable()
        assert database.rows("SELECT a FROM t") == []
        connection.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

    database.check_writable()


def test_server_that_was_restarted_is_used_again(database, postgresql):
    database.rows("SELECT 1")
    postgresql.stop("fast")
    with pytest.raises(StoreUnavailable), database.transaction():
        pass
    postgresql.start()

    with database.transaction():
        database.insert("t", {"a": 1})
    assert database.rows("SELECT a FROM t") == [{"a": 1}]


def test_what_is_checked_before_a_write_holds_until_its_commit(database, make_database):
    """Two servers count up by reading and writing: with row locks alone they would overwrite each other."""
    with database.transaction():
        database.insert("t", {"a": 0, "b": ""})

    def count_up(own: PostgresDatabase) -> None:
        for _ in range(50):
            with own.transaction():
                highest = own.row("SELECT max(a) AS a FROM t")["a"]
                own.insert("t", {"a": highest + 1})

    threads = [threading.Thread(target=count_up, args=(make_database(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert database.row("SELECT count(*) AS n, max(a) AS highest FROM t") == {"n": 101, "highest": 100}


@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # the server forks before it has threads
def test_child_process_opens_connections_of_its_own(database):
    database.rows("SELECT 1")
    with database.transaction():
        database.insert("t", {"a": 1})
    child = os.fork()
    if child == 0:
        with database.transaction():
            database.insert("t", {"a": database.row("SELECT max(a) AS a FROM t")["a"] + 1})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0

    assert database.rows("SELECT a FROM t ORDER BY a") == [{"a": 1}, {"a": 2}]


def test_turn_is_one_servers_and_ends_with_its_session(address):
    first, second = PostgresTurn(address, "crl"), PostgresTurn(address, "crl")
    with first.held():
        with second.held_if_free() as ours:
            assert not ours
        with PostgresTurn(address, "audit").held_if_free() as ours:
            assert ours
        cut_all_sessions(address)
        with second.held_if_free() as ours:
            assert ours


def test_schema_is_brought_up_to_date_once_by_any_number_of_servers(make_database):
    applied = []
    threads = [
        threading.Thread(
            target=lambda own: applied.extend(migrate(own, shipped("migrations"))), args=(make_database(),)
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert applied == sorted(path.stem for path in shipped("migrations").glob("*.sql"))
    assert not is_new(make_database())


def test_server_that_cannot_be_reached_stops_the_start_and_shows_no_password(tmp_path, caplog):
    environment = {"MIDCA_DATA": str(tmp_path), "MIDCA_DATABASE": "postgresql://midca:CANARY-1@127.0.0.1:1/midca"}
    settings = Settings.from_environment(environment)

    with pytest.raises(ConfigurationError, match="database cannot be reached now") as refusal:
        open_database(settings, create=True)
    assert "CANARY" not in f"{refusal.value} {settings} {caplog.text}"
    assert "Connection refused" in caplog.text, "whoever starts it is told why"


def test_empty_database_is_no_ca(address, tmp_path):
    settings = Settings.from_environment({"MIDCA_DATA": str(tmp_path), "MIDCA_DATABASE": address})

    with pytest.raises(ConfigurationError, match="midca init"):
        open_database(settings, create=False)


def test_address_of_another_kind_of_database_is_refused():
    with pytest.raises(ConfigurationError, match="MIDCA_DATABASE must be"):
        Settings.from_environment({"MIDCA_DATABASE": "mysql://root:secret@host/db"})


def test_of_two_servers_that_begin_at_once_one_makes_the_cas_and_the_other_says_who_did(address, tmp_path):
    """Else devices would hold certificates of two CAs of one name, and each server would know one of them."""
    opened = []

    def settings(name: str) -> Settings:
        if not (tmp_path / name).exists():
            (tmp_path / name).mkdir()
            profiles_directory(
                tmp_path / name / "profiles", hierarchy=HIERARCHY.replace("keysize: 2048", "keytype: P-256")
            )
        return settings_for(tmp_path / name, MIDCA_DATABASE=address)

    def while_the_other_is_faster(key):
        if not opened:
            opened.append(open_services(settings("other"), create=True))
        return key

    with pytest.raises(ConfigurationError, match=r"Another server made the CA IOTrootCA .* copy ca/ and secrets/"):
        open_services(settings("own"), create=True, signing_key=while_the_other_is_faster)

    database = opened[0].services.database
    assert opened[0].created == ("IOTrootCA", "IOTmidCA")
    assert database.tuples("SELECT username FROM certificates WHERE certificate_type IN (2, 8) ORDER BY username") == [
        ("IOTmidCA",),
        ("IOTrootCA",),
    ]
    with pytest.raises(ConfigurationError, match="copy ca/ and secrets/"):
        open_services(settings("own"), create=True)
    database.close()


def test_who_asks_while_the_server_is_away_hears_so_at_once_and_not_where_it_is(
    database, make_database, postgresql, caplog
):
    database.rows("SELECT 1")
    postgresql.stop("fast")
    try:
        for act in (lambda: database.rows("SELECT 1"), make_database().check_writable):
            with pytest.raises(StoreUnavailable, match=r"\AThe database cannot be reached now\.\Z"):
                act()
    finally:
        postgresql.start()

    assert f"port {postgresql.port} failed: Connection refused" in caplog.text
    assert database.rows("SELECT 1 AS one") == [{"one": 1}], "the first one who asks when it is back is answered"


def test_connection_to_a_server_that_has_vanished_is_given_up_after_ten_seconds(address):
    connection = PostgresWritingConnection(address)
    with socket.socket(fileno=os.dup(connection._connection.fileno())) as own:
        waits = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
        alive = own.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    connection.close()

    assert (waits, alive) == (10_000, 10)


@pytest.mark.parametrize("database_kind", ["postgresql"], indirect=True)
def test_only_the_server_whose_clock_is_wrong_is_not_ready(installation):
    def clock() -> str:
        return installation.services.readiness.check()["clock"]

    installation.clock.advance(minutes=7.5)
    installation.add()
    assert clock() == "The clock is 7 minutes ahead of that of the database's server."
    installation.clock.advance(minutes=-7.5)
    assert clock() == "ok", "another server wrote the last audit entry, by a clock that is ahead"
    installation.clock.advance(minutes=-7.5)
    assert clock() == "The clock is 7 minutes behind that of the database's server."
