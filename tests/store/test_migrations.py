"""An older database is brought up to date with what it holds."""

import shutil

import pytest

from app.pki.distribution_points import ALL
from app.pki.revocation import RevocationReason
from app.settings import shipped
from app.store.access_tokens import AccessTokenStore, Credential
from app.store.certificates import CertificateStore
from app.store.end_entities import EndEntityStore
from app.store.revocation_lists import ListName, RevocationListStore
from app.store.revoked_certificates import RevokedCertificates
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase
from app.store.times import to_text
from tests.builders import Clock


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
