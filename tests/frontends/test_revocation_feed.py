"""``/ca/<name>/revocations``: whose certificates were revoked, page by page and in order."""

import pytest

from app.operations import revocation_feed
from app.pki.revocation import RevocationReason
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR

FEED = "/ca/IOTmidCA/revocations"


@pytest.fixture
def enrol(installation):
    """Registers and signs; returns the serial."""

    def enrol(name: str, **fields) -> str:
        installation.add(name, **fields)
        request = one_line(csr(name, signing_key=key(installation.certificates())))
        return installation.sign(name, "dojot", request).serial

    return enrol


@pytest.fixture
def change(installation):
    def change(serial: str, reason: RevocationReason = RevocationReason.UNSPECIFIED, **options) -> None:
        installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR, **options)

    return change


@pytest.fixture
def read(client, admin):
    def read(cursor: str | None = None) -> dict:
        answer = client.get(FEED, query_string={} if cursor is None else {"since": cursor}, headers=admin)
        assert answer.status_code == 200, answer.text
        return answer.json

    return read


def names(page: dict) -> list[str]:
    return [revoked["username"] for revoked in page["revocations"]]


def test_holders_are_for_who_may_know_them(client):
    assert client.get(FEED).status_code == 401


def test_revoked_and_held_come_in_the_order_in_which_it_happened(enrol, change, read, installation):
    first, second, good = enrol("first"), enrol("second"), enrol("good")
    change(second, RevocationReason.CERTIFICATEHOLD)
    installation.services.end_entities.revoke("first", RevocationReason.KEYCOMPROMISE, ACTOR)

    page = read()

    assert names(page) == ["second", "first"]
    assert [revoked["serial"] for revoked in page["revocations"]] == [second, first]
    assert [revoked["reason"] for revoked in page["revocations"]] == ["CERTIFICATEHOLD", "KEYCOMPROMISE"]
    assert page["more"] is False
    assert good not in str(page)


def test_common_name_is_that_of_the_certificate_and_not_the_end_entitys(enrol, change, read):
    change(enrol("f60c28", subject_dn="CN=Pump 7,O=Plant", end_entity_profile="EMPTY"))

    (revoked,) = read()["revocations"]

    assert (revoked["username"], revoked["commonName"]) == ("f60c28", "Pump 7")


def test_cursor_asks_for_what_came_since(enrol, change, read):
    change(enrol("first"))
    cursor = read()["cursor"]
    assert names(read(cursor)) == []
    assert read(cursor)["cursor"] == cursor

    change(enrol("second"))

    assert names(read(cursor)) == ["second"]


def test_released_one_is_gone_and_one_that_is_revoked_again_comes_again(enrol, change, read):
    released, again = enrol("released"), enrol("again")
    change(released, RevocationReason.CERTIFICATEHOLD)
    change(again, RevocationReason.CERTIFICATEHOLD)
    cursor = read()["cursor"]
    change(released, RevocationReason.NOTREVOKED)
    change(again, RevocationReason.KEYCOMPROMISE)

    assert names(read(cursor)) == ["again"]
    assert names(read()) == ["again"]


def test_pages_leave_nothing_out_and_double_nothing(enrol, change, read, installation, monkeypatch):
    monkeypatch.setattr(revocation_feed, "PAGE", 2)
    expected = [f"device{number}" for number in range(5)]
    for name in expected:
        change(enrol(name))
    installation.sql("UPDATE certificates SET revocation_revision = 1 WHERE revocation_revision BETWEEN 1 AND 4")

    read_names, cursor, more = [], None, True
    while more:
        page = read(cursor)
        read_names += names(page)
        cursor, more = page["cursor"], page["more"]

    assert sorted(read_names) == expected


def test_what_is_no_cursor_is_refused(client, admin):
    for cursor in ("", "1", "-1.", "1.x", "1.0.", "9" * 30 + ".", "1.AB\n", "0x1."):
        assert client.get(FEED, query_string={"since": cursor}, headers=admin).status_code == 400, cursor


def test_cursor_of_a_database_that_was_put_back_from_a_backup_is_refused(client, admin):
    answer = client.get(FEED, query_string={"since": "1."}, headers=admin)

    assert answer.status_code == 409
    assert "Begin anew" in answer.json["message"]


def test_ca_that_does_not_exist_is_not_found(client, admin):
    assert client.get("/ca/abcde/revocations", headers=admin).status_code == 404
