"""An older database is brought up to date with what it holds."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from app.errors import ConfigurationError
from app.pki.distribution_points import ALL
from app.pki.revocation import RevocationReason
from app.settings import shipped
from app.store.access_tokens import AccessTokenStore, Credential
from app.store.certificates import CertificateStore
from app.store.end_entities import EndEntityStore
from app.store.integrity import differences
from app.store.revocation_lists import ListName, RevocationListStore
from app.store.revoked_certificates import RevokedCertificates
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase
from app.store.times import to_text
from tests.builders import Clock
from tests.conftest import run

HERE = Path(__file__).parents[2]


@pytest.fixture
def database_of(tmp_path):
    """Make a database as a program with so many migrations left it."""
    made = []

    def make(migrations: int) -> SqliteDatabase:
        directory = tmp_path / f"first{migrations}"
        directory.mkdir()
        for path in sorted(shipped("migrations").glob("*.sql"))[:migrations]:
            shutil.copy(path, directory)
        made.append(SqliteDatabase.create(tmp_path / "midca.sqlite"))
        migrate(made[-1], directory)
        return made[-1]

    yield make
    for database in made:
        database.close()


def test_lists_and_revocations_outlive_the_migration_to_scopes(database_of):
    database, now = database_of(2), to_text(Clock()())
    with database.transaction():
        for number, crl in ((1, None), (2, "AAAA")):
            row = {"ca_name": "CA", "number": number, "state": "issued", "revision": number, "crl": crl}
            dates = {"tbs_sha256": f"hash{number}", "this_update": now, "next_update": now}
            database.insert("revocation_lists", row | dates)
        values = dict.fromkeys(("subject_dn", "public_key_sha256", "certificate_profile", "profile_sha256"), "")
        values |= dict.fromkeys(("not_before", "not_after", "created_at", "revoked_at"), now)
        values |= {"ca_name": "CA", "serial": "1", "state": "issued", "certificate_type": 1, "username": "f60c28"}
        database.insert("certificates", values | {"tbs_sha256": "hash", "revocation_reason": 1})

    assert migrate(database, shipped("migrations"))[0] == "0003_list_scopes"

    lists = RevocationListStore(database)
    newest = lists.latest(ListName("CA", ALL))
    assert (newest.number, newest.revision, newest.crl) == (2, 2, b"\0\0\0")
    assert lists.highest_number("CA") == 2
    certificates = CertificateStore(database)
    assert certificates.find("CA", "1").supersedes is False
    revoked = list(
        RevokedCertificates(database).changed("CA", since_revision=0, ended_before=Clock()().replace(year=2000))
    )
    assert [(row.serial, row.reason, row.partition) for row in revoked] == [(1, RevocationReason.KEYCOMPROMISE, None)]


def test_end_entities_are_armed_since_they_were_last_changed(database_of):
    database, now = database_of(5), to_text(Clock()())
    row = dict.fromkeys(("subject_dn", "ca_name", "certificate_profile", "end_entity_profile"), "")
    row |= {"username": "f60c28", "status": 10, "token_type": 1, "send_notification": 0}
    with database.transaction():
        database.insert("end_entities", row | {"created_at": "2026-01-01T00:00:00.000000+00:00", "modified_at": now})

    assert "0008_enrolment_window" in migrate(database, shipped("migrations"))

    assert to_text(EndEntityStore(database).find("f60c28").armed_at) == now


def test_tokens_of_the_time_when_there_were_admins_alone_are_admins(database_of):
    database, now = database_of(8), to_text(Clock()())
    with database.transaction():
        row = {"name": "admin", "role": "admin", "token_sha256": "hash", "created_at": now}
        database.insert("access_tokens", row)

    assert "0011_access_scopes" in migrate(database, shipped("migrations"))

    token = AccessTokenStore(database).find_hash(Credential.TOKEN, "hash")
    assert (token.role, token.tenant) == ("admin", None)
    assert AccessTokenStore(database).find_hash(Credential.CERTIFICATE, "hash") is None


def test_passwords_from_before_that_may_be_dojots_are_counted_as_such(database_of):
    database, now = database_of(8), to_text(Clock()())
    row = dict.fromkeys(("subject_dn", "ca_name"), "") | dict.fromkeys(("created_at", "modified_at", "armed_at"), now)
    row |= {"status": 10, "token_type": 1, "send_notification": 0, "certificate_profile": "", "end_entity_profile": "P"}
    with database.transaction():
        for name, verifier in (("unstretched", "ca1$h$a$b"), ("stretched", "ca1$s$a$b"), ("none", None)):
            database.insert("end_entities", row | {"username": name, "password_verifier": verifier})

    migrate(database, shipped("migrations"))

    assert EndEntityStore(database).find("unstretched").public_password
    assert EndEntityStore(database).with_public_password("P", armed_after=None) == 1


MIGRATIONS = sorted(shipped("migrations").glob("*.sql"))
TEXTS = {"entry": "{}", "crl": "AAAA", "state": "issued"}
NUMBERS = {"revocation_reason": 1, "revocation_revision": 1, "octets": 3}


def fill(database: SqliteDatabase) -> dict[str, dict]:
    """Put a row into each table of a database; return them by table."""
    tables = {row["name"] for row in database.rows("SELECT name FROM sqlite_master WHERE type = 'table'")}
    rows = {}
    with database.transaction():
        for table in tables - {"schema_migrations"}:
            columns = {row["name"]: row["type"] for row in database.rows(f"PRAGMA table_info({table})")}
            rows[table] = {name: value_of(name, kind) for name, kind in columns.items()}
            database.insert(table, rows[table])
    return rows


def value_of(column: str, kind: str) -> str | int:
    if kind == "INTEGER":
        return NUMBERS.get(column, 7)
    dates = column.endswith(("_at", "_until", "_before", "_after", "_update")) or column == "at"
    return TEXTS.get(column, to_text(Clock()()) if dates else f"some {column}")


def rows_of(database: SqliteDatabase, table: str) -> list[dict]:
    return database.rows(f"SELECT * FROM {table}")  # noqa: S608 -- a table of ours


@pytest.mark.parametrize("landed", range(1, len(MIGRATIONS)), ids=[path.stem for path in MIGRATIONS[:-1]])
def test_every_row_of_every_schema_that_landed_outlives_the_way_to_the_newest(database_of, landed):
    """F24."""
    database = database_of(landed)
    before = fill(database)

    migrate(database, shipped("migrations"))

    assert differences(database, shipped("migrations")) == []
    for table, row in before.items():
        (after,) = rows_of(database, table)
        assert row.items() <= after.items(), table


@pytest.mark.slow
@pytest.mark.parametrize("landed", [0, 2, len(MIGRATIONS) - 1], ids=["empty", "one list a CA", "the one before"])
def test_migration_that_is_killed_at_any_step_goes_on_as_if_nothing_had_been(database_of, tmp_path, landed):
    """F24."""
    database = database_of(landed)
    fill(database)
    database.close()

    done = run(sys.executable, "-m", "tests.kill_steps", "migrate", database.path, tmp_path / "work.sqlite", cwd=HERE)

    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert all(step["same"] for step in steps)
    assert [step["killed"] for step in steps] == [True] * (len(steps) - 1) + [False]
    assert len(steps) > len(MIGRATIONS) - landed


def test_newer_schema_is_refused_with_a_sentence_and_left_alone(database_of):
    """F24."""
    database = database_of(len(MIGRATIONS))
    with database.transaction():
        database.insert("schema_migrations", {"name": "9999_of_the_future"})
    before = database.path.read_bytes()

    with pytest.raises(ConfigurationError, match=r"was written by a newer midca \(it has 9999_of_the_future\)"):
        migrate(database, shipped("migrations"))
    assert database.path.read_bytes() == before


def test_schema_that_was_changed_by_hand_is_seen(database_of):
    database = database_of(len(MIGRATIONS))
    assert differences(database, shipped("migrations")) == []

    with database.transaction():
        database.execute("DROP INDEX certificates_by_subject")
        database.execute("ALTER TABLE backups ADD COLUMN more TEXT")

    assert differences(database, shipped("migrations")) == ["backups", "certificates_by_subject"]
