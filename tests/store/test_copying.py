import re
import uuid

import pytest

from app.errors import Conflict
from app.operations.audit_verification import AuditVerification
from app.settings import shipped
from app.store import copying
from app.store.postgresql import PostgresDatabase
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase
from tests.builders import csr, one_line
from tests.conftest import ACTOR


@pytest.fixture
def empty(postgresql):
    database = PostgresDatabase(postgresql.create(f"t{uuid.uuid4().hex}"), readers=2)
    migrate(database, shipped("migrations"))
    yield database
    database.close()


def test_every_table_of_the_schema_is_copied(tmp_path):
    database = SqliteDatabase.create(tmp_path / "midca.sqlite")
    migrate(database, shipped("migrations"))
    tables = {
        row["name"]: row["sql"] for row in database.rows("SELECT name, sql FROM sqlite_master WHERE type='table'")
    }
    database.close()

    assert set(tables) - {"schema_migrations"} == set(copying.TABLES)
    for table, key in copying.TABLES.items():
        keys = [row["name"] for row in database.rows(f"PRAGMA table_info({table})") if row["pk"]]
        assert sorted(keys) == sorted(key)
    database.close()


def test_copied_ca_goes_on_where_it_was(installation, make_installation, empty, tmp_path):
    for number in range(3):
        installation.add(f"device{number}")
    installation.sign("device0", "dojot", one_line(csr()))

    copied = copying.copy(installation.services.database, empty)

    assert copied == copying.counts(empty)
    assert copied["end_entities"] == 3
    installation.settings = installation.settings.with_database(empty.address)
    moved = installation.open().services
    assert moved.issuance.issue("device0", "dojot", one_line(csr()), ACTOR).serial  # the same one, within the window
    assert moved.end_entities.find("device1") is not None
    assert AuditVerification(moved.checkpoints).run().findings.found == []
    moved.database.close()


def test_database_that_is_not_empty_is_not_copied_to(installation, empty):
    with empty.transaction():
        empty.insert("revocation_revisions", {"ca_name": "CA", "revision": 1})

    with pytest.raises(Conflict, match="not empty"):
        copying.copy(installation.services.database, empty)
    assert copying.counts(empty)["certificates"] == 0


def test_row_that_differs_is_noticed(installation, empty, monkeypatch):
    monkeypatch.setattr(empty, "insert", lambda table, row: type(empty).insert(empty, table, _changed(row)))

    with pytest.raises(Exception, match=re.escape("The copy of")):
        copying.copy(installation.services.database, empty)


def _changed(row):
    return row | {"created_at": "x"} if "created_at" in row else row
