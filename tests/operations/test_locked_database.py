"""F13. A program that knows nothing of midca's line holds SQLite's own lock."""

import subprocess
import sys
import threading

import pytest

from app.web import create_app
from tests.builders import csr, one_line

REQUEST = {"passwd": "dojot", "certificate": one_line(csr())}
HOLD = """
import sys
from sqlite_utils.utils import sqlite3
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def client(journal, installation):
    installation.add()
    return create_app(installation.services).test_client()


@pytest.fixture
def hold(installation):
    """Takes the lock, and returns what lets it go."""
    holders = []

    def hold():
        command = [sys.executable, "-c", HOLD, str(installation.settings.database)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        holders.append(holder)
        assert holder.stdout.readline() == b"held\n"
        return holder.stdin.close

    yield hold
    for holder in holders:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def test_lock_that_is_let_go_in_time_is_waited_for(client, hold):
    release, released = hold(), threading.Event()

    def let_go():
        released.set()
        release()

    threading.Timer(0.3, let_go).start()

    assert client.post("/sign/f60c28/pkcs10", json=REQUEST).status_code == 200
    assert released.is_set()


def test_lock_that_is_kept_refuses_for_now_and_signs_nothing(client, hold, installation):
    database, signed = installation.services.database, installation.oracle.signed()
    with database._reader() as reader:
        for connection in (database._writer.connection, reader):
            connection.execute("PRAGMA busy_timeout = 300")  # instead of ten seconds
    release = hold()

    answer = client.post("/sign/f60c28/pkcs10", json=REQUEST)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert installation.oracle.signed() == signed
    assert client.get("/ca/IOTmidCA").status_code == 200
    release()
    assert client.post("/sign/f60c28/pkcs10", json=REQUEST).status_code == 200
