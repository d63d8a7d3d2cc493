"""F16. Somebody removes, replaces or cuts off files of an SQLite database while the CA is at work."""

import os
import shutil
from pathlib import Path

import pytest

from app.bootstrap import open_services
from app.operations.audit_findings import FindingKind
from app.web import create_app
from tests.builders import csr, one_line
from tests.children import die, in_child
from tests.conftest import ACTOR

pytestmark = pytest.mark.sqlite_only
REQUEST = {"passwd": "dojot", "certificate": one_line(csr())}


def database_files(installation) -> list[Path]:
    return [path for path in installation.settings.data.glob("midca.sqlite*") if path.suffix not in {".gate", ".lock"}]


@pytest.fixture
def keep(journal, installation, tmp_path):
    """Copies the database's files; when the test is over they are put back as they were at the last copy."""
    kept = tmp_path / "kept"

    def keep() -> None:
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for path in database_files(installation):
            shutil.copy(path, kept)

    yield keep
    installation.services.database.close()
    for path in database_files(installation):
        path.unlink()
    for path in kept.iterdir():
        shutil.copy(path, installation.settings.data)


@pytest.fixture
def damaged(installation, keep):
    """An installation with an end entity that may enrol; whatever becomes of its files is undone."""
    installation.add()
    keep()
    return installation


@pytest.fixture
def client(damaged):
    return create_app(damaged.services).test_client()


def beside(installation, suffix: str):
    path = installation.settings.database
    return path.with_name(path.name + suffix)


def cut_off_in_a_page(installation) -> None:
    path = installation.settings.database
    os.truncate(path, path.stat().st_size - 1000)


def cut_in_half(installation) -> None:
    path = installation.settings.database
    os.truncate(path, path.stat().st_size // 2)


def without_log(installation) -> None:
    beside(installation, "-wal").unlink()


def without_index_of_the_log(installation) -> None:
    beside(installation, "-shm").unlink()


def with_another_log(installation) -> None:
    path = beside(installation, "-wal")
    shutil.copy(path, path.with_suffix(".copy"))
    path.with_suffix(".copy").replace(path)


def with_a_log_cut_off(installation) -> None:
    os.truncate(beside(installation, "-wal"), 0)


FAULTS = [
    *((journal, fault) for journal in (True, False) for fault in (cut_off_in_a_page, cut_in_half)),
    *((True, fault) for fault in (without_log, without_index_of_the_log, with_another_log, with_a_log_cut_off)),
]


@pytest.mark.parametrize(("journal", "fault"), FAULTS, indirect=["journal"])
def test_ca_whose_database_was_damaged_is_not_ready_and_signs_nothing(damaged, client, fault):
    signed = damaged.oracle.signed()

    fault(damaged)

    assert client.get("/ready").status_code == 503
    refused = client.post("/sign/f60c28/pkcs10", json=REQUEST)
    assert refused.status_code == 503, refused.text
    assert "database" in refused.json["message"]
    assert damaged.oracle.signed() == signed
    assert client.get("/ca/IOTmidCA").status_code == 200


def test_list_is_not_handed_out_from_memory(damaged, client):
    """A worker may have an older one there than was handed out already; who has a list keeps it."""
    assert client.get("/pki/IOTmidCA.crl").status_code == 200

    damaged.services.database.close()
    damaged.settings.database.rename(beside(damaged, ".away"))

    assert client.get("/pki/IOTmidCA.crl").status_code == 503
    assert client.get("/pki/IOTmidCA.crt").status_code == 200


def sign_and_die(installation) -> None:
    services = open_services(installation.settings, signing_key=installation.oracle.wrap).services
    services.issuance.issue("f60c28", "dojot", REQUEST["certificate"], ACTOR)
    services.checkpoints.write()
    die()


@pytest.mark.parametrize("journal", [True], indirect=True)
def test_entries_that_went_with_the_log_are_missed(damaged, keep, reopen, caplog):
    """What SQLite forgets without a word, the saved checkpoints do not."""
    damaged.services.database.close()
    in_child(lambda: sign_and_die(damaged))
    keep()
    with_a_log_cut_off(damaged)

    services = reopen().services
    services.upkeep.first()

    assert "AUDIT LOG" in caplog.text
    kinds = {finding.kind for finding in services.audit_verification.run().findings.found}
    assert FindingKind.TRUNCATED in kinds
    services.database.close()
