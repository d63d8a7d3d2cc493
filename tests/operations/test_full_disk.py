"""The disk is full: refused and nothing half done, and all goes on as soon as there is room again."""

import base64
from collections.abc import Callable
from functools import partial

import pytest
from cryptography import x509

from app.errors import StoreUnavailable
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR
from tests.full_disk import SizeLimit, SmallDisk, SmallTablespace

KIB = 1024
# Several times none: PostgreSQL finds room for some rows in the pages that it has.
ROOMS = [room * KIB for room in (0, 0, 0, 0, 0, 0, 4, 8, 16, 32, 64, 128, 256)]


@pytest.fixture(
    params=[SmallDisk, pytest.param(SizeLimit, marks=pytest.mark.sqlite_only)], ids=["full disk", "file size limit"]
)
def disk(request, database_kind, tmp_path):
    """The disk that the rows are on."""
    if database_kind == "postgresql":
        made = SmallTablespace(request.getfixturevalue("postgresql"))
    else:
        made = request.param(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def crowded(journal, disk, make_installation, tmp_path_factory):
    """An installation on that disk, whose oracle has another one."""
    installation = make_installation()
    oracle = tmp_path_factory.mktemp("oracle") / "oracle"
    oracle.write_text(installation.oracle.file.read_text())
    installation.oracle.file = oracle
    if address := installation.settings.database_address:
        installation.services.database.close()
        disk.take(address.rpartition("/")[2])
    yield installation
    disk.make_room()


def enrol(installation, number: int) -> str | None:
    """Return the certificate, or None where the CA cannot do it now."""
    client = create_app(installation.services).test_client()
    body = {"passwd": "dojot", "certificate": one_line(csr(signing_key=key(number)))}
    answer = client.post(f"/sign/device{number}/pkcs10", json=body)
    assert answer.status_code in {200, 503}, answer.text
    return answer.json["status"]["data"] if answer.status_code == 200 else None


@pytest.mark.parametrize("checkpoint", ["rarely", pytest.param("at every commit", marks=pytest.mark.sqlite_only)])
def test_enrolment_on_a_full_disk_is_whole_or_refused_and_goes_on_with_room(crowded, disk, checkpoint):
    """F14. Also where the commit finds room, and the checkpoint of the write-ahead log behind it does not."""
    crowded.add("device0")
    if checkpoint == "at every commit":
        crowded.services.database._writer.connection.execute("PRAGMA wal_autocheckpoint = 1")
    issued_at_once = set()

    for number, room in enumerate(ROOMS):
        crowded.add(f"device{number}")
        disk.leave(room)
        value = enrol(crowded, number)
        disk.make_room()
        crowded.check()
        again = enrol(crowded, number)
        assert again is not None
        assert value in {None, again}
        issued_at_once.add(value is not None)

    assert True in issued_at_once
    assert False in issued_at_once or checkpoint == "at every commit"  # then the log never needs room for more
    counts = "SELECT count(*), count(DISTINCT username), min(state) FROM certificates WHERE certificate_type = 1"
    assert crowded.sql(counts) == [(len(ROOMS), len(ROOMS), "issued")]
    if not crowded.settings.database_address:
        assert crowded.sql("PRAGMA integrity_check") == [("ok",)]
    assert crowded.services.audit_verification.run().findings.found == []


def served_when_refused(client, issue: Callable[[], object]) -> bytes:
    """Issue lists until one is refused; return what was served just before that one."""
    for _ in range(20):
        served = client.get("/pki/IOTmidCA.crl").data
        try:
            issue()
        except StoreUnavailable:
            return served
    pytest.fail("there was room for twenty lists")


def test_list_that_cannot_be_stored_leaves_the_one_before_in_place(crowded, disk):
    """F15."""
    crowded.add("device0")
    client = create_app(crowded.services).test_client()
    serial = crowded.sign("device0", "dojot", one_line(csr())).serial
    crowded.services.revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    authority = crowded.services.authorities.named("IOTmidCA")

    disk.leave(0)
    served = served_when_refused(client, partial(crowded.services.revocation_lists.issue, authority, ACTOR))

    assert client.get("/pki/IOTmidCA.crl").data == served
    assert base64.b64decode(client.get("/ca/IOTmidCA/crl").json["CRL"]) == served
    disk.make_room()
    crowded.services.revocation_lists.issue(authority, ACTOR)
    newest = x509.load_der_x509_crl(client.get("/pki/IOTmidCA.crl").data)
    assert [f"{entry.serial_number:X}" for entry in newest] == [serial]
