"""F13. A program that knows nothing of midca's line holds the database's own locks."""

import subprocess
import sys
import threading

import pytest

from app.web import create_app
from tests.builders import csr, one_line

REQUEST = {"passwd": "dojot", "certificate": one_line(csr())}
HOLD = """
import sys
from app.store.sqlite_library import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""
HOLD_POSTGRESQL = """
import sys
import psycopg
connection = psycopg.connect(sys.argv[1])
for (table,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
    connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
print("held", flush=True)
sys.stdin.read()
"""
SHORT = {"sqlite": "PRAGMA busy_timeout = 300", "postgresql": "SELECT set_config('lock_timeout', '300', false)"}


@pytest.fixture
def client(journal, installation):
    installation.add()
    return create_app(installation.services).test_client()


@pytest.fixture
def hold(installation):
    """Takes the lock, and returns what lets it go."""
    holders = []

    def hold():
        address = installation.settings.database_address
        script = [HOLD_POSTGRESQL, address] if address else [HOLD, str(installation.settings.database)]
        holder = subprocess.Popen([sys.executable, "-c", *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout.readline() == b"held\n"
        return holder.stdin.close

    yield hold
    for holder in holders:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def wait_briefly(installation, kind: str) -> None:
    """Have both connections, the one to read by and the one to write by, wait 0.3 s for a lock instead of ten."""
    database = installation.services.database
    database.rows(SHORT[kind])
    with database.transaction():
        database.rows(SHORT[kind])


def test_lock_that_is_let_go_in_time_is_waited_for(client, hold):
    release, released = hold(), threading.Event()

    def let_go():
        released.set()
        release()

    threading.Timer(0.3, let_go).start()

    assert client.post("/sign/f60c28/pkcs10", json=REQUEST).status_code == 200
    assert released.is_set()


def test_lock_that_is_kept_refuses_for_now_and_signs_nothing(client, hold, installation, database_kind):
    signed = installation.oracle.signed()
    wait_briefly(installation, database_kind)
    release = hold()

    answer = client.post("/sign/f60c28/pkcs10", json=REQUEST)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert installation.oracle.signed() == signed
    assert client.get("/ca/IOTmidCA").status_code == 200
    release()
    assert client.post("/sign/f60c28/pkcs10", json=REQUEST).status_code == 200
