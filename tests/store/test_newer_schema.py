"""One midca brings the schema up to date while an older one runs beside it: on another server, or until its restart."""

import pytest

from app.pki.revocation import RevocationReason
from app.store import copying
from app.store.certificate_search import CertificateSearch
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR

_TIMES = 7  # psycopg prepares a statement that comes for the sixth time


@pytest.mark.both_databases
def test_server_goes_on_when_a_newer_one_adds_a_column_to_each_table(installation):
    database = installation.services.database
    for number in range(_TIMES):
        use(installation, number)

    with database.transaction():
        for table in copying.TABLES:
            database.execute(f"ALTER TABLE {table} ADD COLUMN newer TEXT NOT NULL DEFAULT ''")

    for number in range(_TIMES):
        use(installation, _TIMES + number)


def test_end_entity_that_an_older_server_writes_may_enrol(installation):
    installation.add("f60c28")
    with installation.services.database.transaction():
        installation.services.database.execute("UPDATE end_entities SET armed_at = ''")

    entity = installation.services.end_entities.find("f60c28")

    assert entity.armed_at == entity.modified_at
    assert installation.sign("f60c28", "dojot", one_line(csr("f60c28"))).serial


def use(installation, number: int) -> None:
    name = f"device{number}"
    services = installation.services
    installation.add(name)
    serial = installation.sign(name, "dojot", one_line(csr(name, signing_key=key(number)))).serial
    services.revocation.change("IOTmidCA", serial, RevocationReason.UNSPECIFIED, ACTOR)
    assert services.end_entities.find(name) is not None
    assert services.certificates.find("IOTmidCA", serial).revoked
    assert set(services.readiness.check().values()) == {"ok"}
    assert services.tokens.store.all()
    assert CertificateSearch(serial=serial).run(services.database, installation.clock(), 1)
    assert services.checkpoints.write().size == services.checkpoints.log.size()
