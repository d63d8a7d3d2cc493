"""SIGKILL at each step of a signature, with PostgreSQL, and SQLite's write-ahead log and rollback journal."""

import signal
from functools import partial

import pytest

from app.bootstrap import open_services
from app.errors import StoreUnavailable, WrongStatus
from app.pki.write_ahead_key import write_ahead_key
from app.store.group_commit import WritingConnection
from app.store.postgresql import PostgresWritingConnection
from app.store.sqlite_connection import SqliteWritingConnection
from tests.builders import csr, key, one_line
from tests.children import die, in_child
from tests.conftest import ACTOR

REQUEST = one_line(csr())
OTHER_REQUEST = one_line(csr(signing_key=key(1)))
STEPS = {
    "F01 before the first transaction": ("begin", 1, "before"),
    "F02 before its commit": ("commit", 1, "before"),
    "F03 after its commit": ("commit", 1, "after"),
    "F04 before the key signs": ("sign", 1, "before"),
    "F05 after the key signed": ("begin", 2, "before"),
    "F06 before the second commit": ("commit", 2, "before"),
    "F07 after the second commit": ("commit", 2, "after"),
}


@pytest.fixture
def settings(journal, installation):
    installation.add()
    installation.services.database.close()
    return installation.settings


def enrol_and_die(settings, oracle, method: str, call: int, moment: str) -> None:
    """Enrol f60c28 and be killed before or after the so-and-so-many-th call of a method of the writing connection."""
    wrap = (lambda key: write_ahead_key(key, lambda _: die())) if method == "sign" else oracle.wrap
    services = open_services(settings, signing_key=wrap).services
    if method != "sign":
        kill_at(writing_connection(settings), method, call, moment)
    services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)


def writing_connection(settings) -> type[WritingConnection]:
    return PostgresWritingConnection if settings.database_address else SqliteWritingConnection


def kill_at(kind: type[WritingConnection], method: str, call: int, moment: str) -> None:
    real = getattr(kind, method)
    calls = iter(range(1, 100))

    def killing(connection):
        this = next(calls)
        if (this, moment) == (call, "before"):
            die()
        real(connection)
        if (this, moment) == (call, "after"):
            die()

    setattr(kind, method, killing)  # of this process, which ends here


@pytest.mark.parametrize("step", STEPS)
def test_device_whose_ca_was_killed_asks_again_and_gets_its_one_certificate(installation, settings, reopen, step):
    """F01 to F07."""
    assert in_child(partial(enrol_and_die, settings, installation.oracle, *STEPS[step])) == -signal.SIGKILL

    installation.check()
    services = reopen().services
    if step >= "F03":
        with pytest.raises(WrongStatus, match="GENERATED"):  # from the first commit on the password is spent
            services.issuance.issue("f60c28", "dojot", OTHER_REQUEST, ACTOR)
    issued = services.issuance.issue("f60c28", "dojot", REQUEST, ACTOR)

    if not settings.database_address:
        assert installation.sql("PRAGMA integrity_check") == [("ok",)]
    rows = installation.sql("SELECT serial, state FROM certificates WHERE certificate_type = 1")
    assert rows == [(issued.serial, "issued")]
    assert services.audit_verification.run().findings.found == []
    with pytest.raises(WrongStatus, match="GENERATED"):
        services.issuance.issue("f60c28", "dojot", OTHER_REQUEST, ACTOR)


@pytest.mark.parametrize("call", [1, 2])
def test_commit_whose_answer_is_lost_was_one_all_the_same(installation, monkeypatch, call):
    """As when the connection to PostgreSQL ends just then: what was refused is on record, and found by the next try."""
    installation.add()
    kind = writing_connection(installation.settings)
    real, calls = kind.commit, iter(range(1, 100))

    def unanswered(connection):
        real(connection)
        if next(calls) == call:
            raise StoreUnavailable("The answer is lost.")

    monkeypatch.setattr(kind, "commit", unanswered)
    with pytest.raises(StoreUnavailable):
        installation.sign("f60c28", "dojot", REQUEST)
    with pytest.raises(WrongStatus, match="GENERATED"):
        installation.sign("f60c28", "dojot", OTHER_REQUEST)
    issued = installation.sign("f60c28", "dojot", REQUEST)

    rows = installation.sql("SELECT serial, state FROM certificates WHERE certificate_type = 1")
    assert rows == [(issued.serial, "issued")]
    assert installation.services.audit_verification.run().findings.found == []
