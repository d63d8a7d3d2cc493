"""Pages of revocations begin where the one before ended, whatever the size of the table."""

import pytest

from app.store.audited_rows import AuditedRows
from app.store.revoked_certificates import RevokedCertificates
from tests.builders import Clock

READERS = {
    "list": lambda database: RevokedCertificates(database).changed("CA", since_revision=3, ended_before=Clock()()),
    "feed": lambda database: RevokedCertificates(database).holders("CA", (3, "~"), 10),
    "audit": lambda database: AuditedRows(database).revocations("CA", 7),
}


def plan_of(database, read) -> str:
    """Return how SQLite would answer the first query of a reader."""
    with database._reader() as reader:
        connection = reader._database.conn
    asked = []
    connection.set_trace_callback(asked.append)
    list(read(database))
    connection.set_trace_callback(None)
    (plan,) = connection.execute(f"EXPLAIN QUERY PLAN {asked[0]}").fetchall()
    return plan[3]


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_no_page_reads_what_came_before_it(installation, read):
    plan = plan_of(installation.services.database, read)

    assert "certificates_by_revision (ca_name=? AND (revocation_revision,serial)>(?,?)" in plan


def test_list_is_made_from_the_index_alone(installation):
    assert "COVERING INDEX" in plan_of(installation.services.database, READERS["list"])
