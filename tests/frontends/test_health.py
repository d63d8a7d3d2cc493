"""``/health`` and ``/ready``."""

import shutil

import pytest

from tests.builders import csr, one_line


def not_ready(client, check: str) -> str:
    """Return what the failed check says, once it is seen that it alone failed."""
    answer = client.get("/ready")
    assert answer.status_code == 503
    assert answer.json["status"] == "not ready"
    failed = {name: text for name, text in answer.json["checks"].items() if text != "ok"}
    assert set(failed) == {check}
    return failed[check]


@pytest.mark.parametrize("path", ["/health", "/health/"])
def test_process_that_runs_is_healthy(client, path):
    answer = client.get(path)

    assert (answer.status_code, answer.json) == (200, {"status": "ok"})


def test_ca_that_can_work_is_ready(client):
    answer = client.get("/ready")

    assert answer.status_code == 200
    assert answer.json["status"] == "ok"
    assert {"database", "keys", "disk", "clock"} <= set(answer.json["checks"])
    assert set(answer.json["checks"].values()) == {"ok"}


@pytest.mark.sqlite_only
def test_ca_whose_clock_is_behind_the_last_audit_entry_is_not_ready(client, installation):
    """F18. PostgreSQL has a clock of its own to compare with: tests/store/test_postgresql.py."""
    installation.clock.advance(days=1)
    installation.add()
    installation.clock.advance(days=-1)

    assert "clock is behind" in not_ready(client, "clock")
    assert client.get("/health").status_code == 200


def test_clock_that_was_set_a_little_back_is_no_reason(client, installation):
    installation.add()
    installation.clock.advance(minutes=-4)

    assert client.get("/ready").status_code == 200


def test_ca_that_has_expired_is_not_ready(client, installation):
    """F19."""
    installation.clock.advance(days=3700)

    assert "expired" in client.get("/ready").json["checks"]["keys"]
    assert client.get("/ready").status_code == 503


@pytest.fixture
def armed(installation):
    """An end entity that may enrol."""
    return installation.add()


def test_ca_whose_database_is_gone_is_not_ready_and_signs_nothing(client, armed, installation):
    """F16."""
    signed = installation.oracle.signed()
    with installation.without_database():
        checks = client.get("/ready").json["checks"]
        refused = client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": one_line(csr())})
        known = client.get("/ca/IOTmidCA")

    assert checks["database"] != "ok"
    assert (refused.status_code, known.status_code) == (503, 200)
    assert installation.oracle.signed() == signed
    assert client.get("/ready").status_code == 200


@pytest.fixture
def moved_away(installation):
    """The database file is moved while the program runs, and moved back when the test is over."""
    database = installation.settings.database
    kept = database.rename(database.with_suffix(".kept"))
    yield kept
    database.unlink(missing_ok=True)
    kept.rename(database)


def removed(database, kept):
    """Leave the name empty."""


def replaced_by_a_copy(database, kept):
    shutil.copy(kept, database)


def replaced_by_garbage(database, kept):
    database.write_bytes(b"garbage" * 10_000)


def replaced_by_nothing(database, kept):
    database.touch()


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", [removed, replaced_by_a_copy, replaced_by_garbage, replaced_by_nothing])
def test_ca_whose_database_file_is_not_the_one_it_opened_is_not_ready(client, installation, moved_away, fault):
    """F16."""
    fault(installation.settings.database, moved_away)

    answer = client.get("/ready")

    assert answer.status_code == 503, answer.text
    assert answer.json["checks"]["database"] != "ok"


@pytest.mark.sqlite_only
@pytest.mark.parametrize("fault", [removed, replaced_by_a_copy, replaced_by_garbage, replaced_by_nothing])
def test_nothing_is_signed_into_a_database_file_nobody_will_find(client, armed, installation, moved_away, fault):
    """F16."""
    signed = installation.oracle.signed()
    fault(installation.settings.database, moved_away)

    answer = client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": one_line(csr())})

    assert answer.status_code == 503, answer.text
    assert installation.oracle.signed() == signed


@pytest.mark.sqlite_only
def test_no_new_database_is_made_when_it_is_gone(client, installation, moved_away):
    """F16."""
    client.get("/ready")

    assert not installation.settings.database.exists()
