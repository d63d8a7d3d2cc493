"""Several processes at one file: what was acknowledged is there, whoever writes, makes checkpoints or is killed."""

import signal
import sys
import time

import pytest

from app.store.sqlite import SqliteDatabase
from app.store.sqlite_connection import WAL_IS_SAFE
from tests.children import die, end_of, start_child
from tests.conftest import run

WRITERS = 4
SECONDS = 1  # that each process is at it; ten minutes of the same were run by hand
WITH_PYTHONS_OWN = """
import sys
sys.modules["pysqlite3"] = None
import sqlite3
from pathlib import Path
from app.store.sqlite import SqliteDatabase
print(sqlite3.sqlite_version_info >= (3, 51, 3))
print(SqliteDatabase(Path(sys.argv[1])).row("PRAGMA journal_mode")["journal_mode"])
"""


@pytest.fixture(params=[True, False], ids=["write-ahead log", "rollback journal"])
def path(tmp_path, request, monkeypatch):
    monkeypatch.setattr(SqliteDatabase.__init__, "__kwdefaults__", {"wal": request.param})
    path = tmp_path / "midca.sqlite"
    database = SqliteDatabase.create(path)
    with database.transaction():
        database.execute("CREATE TABLE t (writer INTEGER, number INTEGER, filling TEXT)")
    database.close()
    return path


def write_and_checkpoint(path, writer: int, *, dies: bool) -> None:
    """Write rows one by one, and say of each that it is written; every tenth time write the log back."""
    database = SqliteDatabase(path)
    end, number = time.monotonic() + SECONDS, 0
    with path.with_name(f"acknowledged{writer}").open("w", buffering=1) as acknowledged:
        while time.monotonic() < end:
            number += 1
            with database.transaction():
                database.insert("t", {"writer": writer, "number": number, "filling": "x" * 3000})
            acknowledged.write(f"{number}\n")
            if number % 10 == 0:
                database.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        if dies:
            with database.transaction():
                database.insert("t", {"writer": writer, "number": -1, "filling": ""})
                die()
    database.close()


def test_nothing_that_was_acknowledged_is_lost_between_four_processes(path):
    """F12. In seconds what was looked at for ten minutes by hand."""
    children = [
        start_child(lambda writer=writer: write_and_checkpoint(path, writer, dies=writer == 0))
        for writer in range(WRITERS)
    ]
    ends = [end_of(child) for child in children]

    assert ends == [-signal.SIGKILL, 0, 0, 0]
    database = SqliteDatabase(path)
    assert database.row("PRAGMA integrity_check") == {"integrity_check": "ok"}
    for writer in range(WRITERS):
        acknowledged = [int(line) for line in path.with_name(f"acknowledged{writer}").read_text().split()]
        found = [row["number"] for row in database.rows("SELECT number FROM t WHERE writer = :writer", writer=writer)]
        assert acknowledged
        assert sorted(found) == acknowledged
    database.close()


def test_write_ahead_log_is_used_only_by_a_library_that_is_safe_with_it(tmp_path):
    """F12. Python's own SQLite in the place of ours: where it is too old, it goes on without what ours left there."""
    path = tmp_path / "midca.sqlite"
    database = SqliteDatabase.create(path)
    assert journal(database) == ("wal" if WAL_IS_SAFE else "truncate")
    database.close()

    done = run(sys.executable, "-c", WITH_PYTHONS_OWN, path)

    assert done.stdout.split() in (["True", "wal"], ["False", "truncate"]), done.stderr


def journal(database: SqliteDatabase) -> str:
    return database.row("PRAGMA journal_mode")["journal_mode"]


def test_server_has_one_sqlite_and_what_helps_commands_with_it_is_not_loaded():
    """sqlite-utils and what it brings along are 2 MB in every worker."""
    loaded = "import sys, app.bootstrap, app.server; print(*sys.modules)"
    modules = set(run(sys.executable, "-c", loaded).stdout.split())
    assert len({"_sqlite3", "pysqlite3._sqlite3"} & modules) == 1
    assert not {"sqlite_utils", "dateutil", "pluggy"} & modules
