"""Pages of revocations begin where the one before ended, whatever the size of the table."""

import re

import pytest

from app.store.audited_rows import AuditedRows
from app.store.revoked_certificates import RevokedCertificates
from tests.builders import Clock
from tests.statements import noted, plan_of

READERS = {
    "list": lambda database: RevokedCertificates(database).changed("CA", since_revision=3, ended_before=Clock()()),
    "feed": lambda database: RevokedCertificates(database).holders("CA", (3, "~"), 10),
    "audit": lambda database: AuditedRows(database).revocations("CA", 7),
}


PAGE = {
    "sqlite": "certificates_by_revision (ca_name=? AND (revocation_revision,serial)>(?,?)",
    "postgresql": "((ca_name = 'CA'::text) AND (ROW(revocation_revision, serial) > ROW(",
}


def first_plan(database, read) -> str:
    """Return how the first query of a reader would be answered."""
    with noted(database) as asked:
        list(read(database))
    return plan_of(database, asked[0])


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_page_reads_what_came_before_it(installation, database_kind, read):
    plan = first_plan(installation.services.database, read)

    assert PAGE[database_kind] in plan


def test_list_is_made_from_the_index_alone(installation):
    assert re.search("COVERING INDEX|Index Only Scan", first_plan(installation.services.database, READERS["list"]))
