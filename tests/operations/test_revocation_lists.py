import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography import x509

from app.errors import Unavailable
from app.operations import list_signing
from app.pki import revocation_list
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import Padding, ends_on_a_full_line
from app.web import create_app
from tests.builders import HIERARCHY, csr, key, one_line
from tests.conftest import ACTOR, Installation, settings_for

_NUMBERS = "SELECT number FROM revocation_lists WHERE ca_name = 'IOTmidCA' AND state = 'issued'"


@pytest.fixture
def lists(installation):
    return installation.services.revocation_lists


@pytest.fixture
def mid(installation):
    return installation.services.authorities.named("IOTmidCA")


def issue_certificate(installation: Installation, name: str, number: int) -> str:
    installation.add(name)
    return installation.sign(name, "dojot", one_line(csr(name, signing_key=key(number)))).serial


def revoke(installation: Installation, serial: str, reason: RevocationReason) -> None:
    installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)


def parsed(stored) -> x509.CertificateRevocationList:
    return x509.load_der_x509_crl(stored.crl)


class LostTurn:
    """The turn of servers whose sessions a restart of the database has ended: each believes that it has it."""

    @contextmanager
    def held(self):
        yield


def test_who_lost_the_turn_while_signing_does_not_put_an_older_list_in_the_place_of_a_newer(
    installation, lists, mid, monkeypatch
):
    other = replace(lists, turn=LostTurn())

    def sign(*arguments):
        monkeypatch.undo()
        der = revocation_list.sign_for_old_clients(*arguments)
        newer.append(other.issue(mid, ACTOR))
        return der

    newer = []
    monkeypatch.setattr(list_signing, "sign_for_old_clients", sign)
    with pytest.raises(Unavailable, match="Another server has issued"):
        other.issue(mid, ACTOR)

    assert lists.latest(mid) == newer[0]
    lists.issue(mid, ACTOR)
    assert lists.latest(mid).number > newer[0].number


def test_every_ca_has_a_list_from_the_first_start(installation, lists):
    for authority in installation.services.authorities:
        crl = parsed(lists.latest(authority))
        assert crl.is_signature_valid(authority.certificate.public_key())
        assert len(crl) == 0


def test_an_empty_list_leaves_the_field_out(lists, mid):
    # RFC 5280 section 5.1.2.6: absent, not an empty sequence, when nothing is revoked.
    assert b"\x30\x00" not in parsed(lists.latest(mid)).tbs_certlist_bytes


def test_a_revocation_makes_a_list_due_and_shows_serial_date_and_reason(installation, lists, mid):
    serial = issue_certificate(installation, "f60c28", 0)
    assert lists.issue_due(ACTOR) == 0
    revoke(installation, serial, RevocationReason.KEYCOMPROMISE)

    assert lists.issue_due(ACTOR) == 1

    entry = parsed(lists.latest(mid)).get_revoked_certificate_by_serial_number(int(serial, 16))
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is x509.ReasonFlags.key_compromise
    assert entry.revocation_date_utc == installation.clock.now.replace(microsecond=0)


def test_reason_unspecified_is_left_out(installation, lists, mid):
    serial = issue_certificate(installation, "f60c28", 0)
    revoke(installation, serial, RevocationReason.UNSPECIFIED)
    lists.issue_due(ACTOR)
    entry = parsed(lists.latest(mid)).get_revoked_certificate_by_serial_number(int(serial, 16))
    assert len(entry.extensions) == 0


def test_a_released_hold_leaves_the_list(installation, lists, mid):
    serial = issue_certificate(installation, "f60c28", 0)
    revoke(installation, serial, RevocationReason.CERTIFICATEHOLD)
    lists.issue_due(ACTOR)
    assert len(parsed(lists.latest(mid))) == 1
    revoke(installation, serial, RevocationReason.NOTREVOKED)
    lists.issue_due(ACTOR)
    assert len(parsed(lists.latest(mid))) == 0


def test_a_new_list_is_due_at_half_life(installation, lists, mid):
    before = lists.latest(mid)
    installation.clock.advance(hours=83)
    assert lists.issue_due(ACTOR) == 0
    installation.clock.advance(hours=2)
    assert lists.issue_due(ACTOR) == 2
    assert lists.latest(mid).number > before.number


def test_a_list_that_ran_out_is_never_served(installation, lists, mid, client):
    installation.clock.advance(days=8)
    with pytest.raises(Unavailable, match="run out"):
        lists.latest(mid)
    assert client.get("/ca/IOTmidCA/crl").status_code == 503
    assert client.get("/ready").status_code == 503
    assert "run out" in client.get("/ready").json["checks"]["crl"]


def test_a_certificate_past_its_end_is_shown_once_more_and_then_leaves(installation, lists, mid):
    serial = issue_certificate(installation, "f60c28", 0)
    revoke(installation, serial, RevocationReason.SUPERSEDED)
    lists.issue_due(ACTOR)
    installation.clock.advance(days=731)
    assert len(parsed(lists.issue(mid, ACTOR))) == 1
    installation.clock.advance(days=1)
    assert len(parsed(lists.issue(mid, ACTOR))) == 0


def test_a_certificate_that_ended_long_ago_is_revoked_with_its_holder_and_comes_on_no_list(installation, lists, mid):
    serial = issue_certificate(installation, "f60c28", 0)
    installation.clock.advance(days=731)
    lists.issue_due(ACTOR)

    assert installation.services.end_entities.revoke("f60c28", RevocationReason.UNSPECIFIED, ACTOR) == 1
    lists.issue_due(ACTOR)

    assert installation.services.revocation.find("IOTmidCA", serial).revoked
    assert len(parsed(lists.latest(mid))) == 0
    assert installation.services.audit_verification.run().findings.found == []


POINTS_AND_DELTAS = {"MIDCA_PUBLIC_URL": "http://ca.example", "MIDCA_DELTA_CRL_HOURS": "1"}


def with_other_settings(installation: Installation, **environment: str) -> Installation:
    installation.services.database.close()
    if address := installation.settings.database_address:
        environment["MIDCA_DATABASE"] = address
    installation.settings = settings_for(installation.base, **environment)
    installation.services = installation.open().services
    return installation


@pytest.mark.parametrize("left_out", POINTS_AND_DELTAS)
def test_a_list_that_is_not_issued_any_more_keeps_no_ended_certificate_on_the_others(make_installation, left_out):
    before = make_installation(**POINTS_AND_DELTAS)
    revoke(before, issue_certificate(before, "f60c28", 0), RevocationReason.SUPERSEDED)
    before.services.revocation_lists.issue_due(ACTOR)
    kept = {name: value for name, value in POINTS_AND_DELTAS.items() if name != left_out}
    after = with_other_settings(before, **kept)
    lists, mid = after.services.revocation_lists, after.services.authorities.named("IOTmidCA")
    after.clock.advance(days=731)
    assert len(parsed(lists.issue(mid, ACTOR))) == 1

    after.clock.advance(days=1)

    assert len(parsed(lists.issue(mid, ACTOR))) == 0


def test_a_list_that_is_not_issued_any_more_keeps_no_other_from_being_marked_as_unchanged(make_installation):
    installation = make_installation()
    (installation.base / "profiles" / "hierarchy.yaml").write_text(HIERARCHY + "        crl_partitions: 2\n")
    with_other_settings(installation, **POINTS_AND_DELTAS).services.revocation_lists.issue_due(ACTOR)
    with_other_settings(installation, MIDCA_PUBLIC_URL="http://ca.example")
    serials = [issue_certificate(installation, f"device{number}", number) for number in range(2)]
    lists, mid = installation.services.revocation_lists, installation.services.authorities.named("IOTmidCA")
    lists.issue_due(ACTOR)
    for partition, serial in enumerate(serials):
        installation.sql("UPDATE certificates SET crl_partition = ? WHERE serial = ?", partition, serial)
        revoke(installation, serial, RevocationReason.SUPERSEDED)
        lists.issue_due(ACTOR)

    issued = [lists.dates(mid, scope) for scope in lists.scopes(mid)]

    assert {dates.revision for dates in issued} == {lists.store.revision(mid.name)}


def test_numbers_are_at_least_the_time_and_grow_within_one_second(installation, lists, mid):
    numbers = [lists.issue(mid, ACTOR).number for _ in range(5)]
    assert numbers == sorted(set(numbers))
    assert numbers[0] >= int(installation.clock.now.timestamp())


def test_numbers_grow_when_the_clock_goes_back(installation, lists, mid):
    before = lists.issue(mid, ACTOR).number
    installation.clock.advance(minutes=-5)
    assert lists.issue(mid, ACTOR).number > before


def test_base64_never_fills_its_last_line(installation, lists, mid):
    """One list in sixteen would, and old clients break on it: entries of growing number bring every length."""
    padded = 0
    for number in range(40):
        installation.sql(
            "INSERT INTO certificates SELECT ca_name, ?, state, certificate_type, username, subject_dn, "
            "tbs, ?, certificate, csr_sha256, public_key_sha256, certificate_profile, profile_sha256, "
            "not_before, not_after, created_at, created_at, 0, NULL, 0, 1 FROM certificates "
            "WHERE username = 'IOTrootCA' AND ca_name = 'IOTrootCA'",
            f"{1 << number:X}",
            f"x{number}",
        )
        installation.sql("UPDATE certificates SET ca_name = 'IOTmidCA' WHERE tbs_sha256 LIKE 'x%'")
        stored = lists.issue(mid, ACTOR)
        assert not ends_on_a_full_line(stored.crl)
        identifier = parsed(stored).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        padded += identifier.authority_cert_issuer is not None
    assert padded > 0


def test_a_list_that_no_padding_helps_is_better_than_none(installation, lists, mid, monkeypatch):
    monkeypatch.setattr(revocation_list, "ends_on_a_full_line", lambda _der: True)
    assert parsed(lists.issue(mid, ACTOR)).is_signature_valid(mid.certificate.public_key())


def test_a_revocation_between_two_attempts_does_not_change_what_is_padded(installation, lists, mid, monkeypatch):
    """The second attempt must be the same list in another length; with one entry more its length is anyone's guess."""
    first, second = (issue_certificate(installation, name, number) for number, name in enumerate(("one", "two")))
    revoke(installation, first, RevocationReason.UNSPECIFIED)
    tried = []

    def full_at_first(der: bytes) -> bool:
        tried.append(x509.load_der_x509_crl(der))
        if len(tried) == 1:
            revoke(installation, second, RevocationReason.UNSPECIFIED)
        return len(tried) == 1

    monkeypatch.setattr(revocation_list, "ends_on_a_full_line", full_at_first)
    lists.issue(mid, ACTOR)
    assert [len(crl) for crl in tried] == [1, 1]
    assert lists.issue_due(ACTOR) == 1
    assert len(parsed(lists.latest(mid))) == 2


def test_every_padding_verifies_and_has_a_length_of_its_own(lists, mid, monkeypatch):
    tried = []
    monkeypatch.setattr(revocation_list, "ends_on_a_full_line", lambda der: not tried.append(der))
    lists.issue(mid, ACTOR)
    assert all(x509.load_der_x509_crl(der).is_signature_valid(mid.certificate.public_key()) for der in tried)
    assert len({len(der) for der in tried}) == len(Padding)


def test_a_ca_that_has_ended_keeps_no_other_from_its_lists(make_installation):
    installation = make_installation()
    short = HIERARCHY.replace("    subca:", "    subca:\n      - {name: AOld, validity: 1, keytype: P-256}")
    (installation.base / "profiles" / "hierarchy.yaml").write_text(short)
    installation.services.database.close()
    installation.services = installation.open().services
    client = create_app(installation.services).test_client()
    installation.clock.advance(days=8)

    assert installation.services.revocation_lists.issue_due(ACTOR) == 2
    assert client.get("/ca/IOTmidCA/crl").status_code == 200
    assert client.get("/ready").json["checks"]["keys"] == client.get("/ready").json["checks"]["crl"] == "ok"
    installation.open().services.database.close()  # and the server starts


def test_a_list_from_a_clock_that_was_ahead_is_replaced_not_served(installation, lists, mid):
    installation.clock.advance(days=365)
    lists.issue_due(ACTOR)
    installation.clock.advance(days=-365)
    with pytest.raises(Unavailable, match="clock ahead"):
        lists.latest(mid)
    assert lists.issue_due(ACTOR) == 2
    assert lists.latest(mid).this_update < installation.clock.now


@pytest.mark.parametrize("changed", [{"MIDCA_PUBLIC_URL": "http://new.example"}, {"MIDCA_CRL_HOURS": "24"}], ids=str)
def test_a_list_that_would_say_something_else_now_is_due(installation, changed):
    installation.services.database.close()
    later = installation.again(**changed)
    try:
        assert later.services.revocation_lists.issue_due(ACTOR) == 0, "the start issued what was due"
        numbers = {number for (number,) in installation.sql(_NUMBERS)}
        assert len(numbers) == 2
    finally:
        later.services.database.close()


def test_anyone_who_asks_for_an_update_waits_for_nobody(installation, client, lists, mid):
    installation.clock.advance(minutes=2)
    before = lists.latest(mid).number
    with lists.turn.held():
        assert client.get("/ca/IOTmidCA/crl?update=true").status_code == 200
    assert lists.latest(mid).number == before


def test_nobody_else_issues_while_one_process_does(installation, lists):
    installation.clock.advance(days=4)
    with lists.turn.held():
        assert lists.issue_due(ACTOR) == 0
    assert lists.issue_due(ACTOR) == 2


def test_a_crash_before_the_signature_takes_a_number_and_serves_the_old_list(installation, lists, mid, monkeypatch):
    before = lists.latest(mid)

    def fail(*_args):
        raise RuntimeError("killed")

    with monkeypatch.context() as patched:
        patched.setattr(type(lists.store), "mark_issued", fail)
        with pytest.raises(RuntimeError, match="killed"):
            lists.issue(mid, ACTOR)
    assert lists.latest(mid) == before
    assert lists.issue(mid, ACTOR).number > before.number + 1


def test_acknowledged_revocations_are_on_the_next_list_from_any_of_three_servers(installation, mid):
    """Three servers over one data directory issue while certificates are revoked."""
    serials = [issue_certificate(installation, f"device{number}", number) for number in range(12)]
    servers = [installation.services] + [installation.open().services for _ in range(2)]
    stop = threading.Event()

    def keep(services):
        while not stop.is_set():
            services.revocation_lists.issue_due(ACTOR)
            stop.wait(0.001)
        services.database.close()

    threads = [threading.Thread(target=keep, args=(services,)) for services in servers]
    for thread in threads:
        thread.start()
    for serial in serials:
        revoke(installation, serial, RevocationReason.UNSPECIFIED)
    stop.set()
    for thread in threads:
        thread.join()
    for services in servers[1:]:
        services.database.close()

    lists = servers[0].revocation_lists
    lists.issue_due(ACTOR)
    assert {f"{entry.serial_number:X}" for entry in parsed(lists.latest(mid))} == set(serials)
    numbers = [row[0] for row in installation.sql(_NUMBERS)]
    assert len(numbers) == len(set(numbers))


def test_update_is_for_an_admin_or_once_a_minute(installation, client, admin, lists, mid):
    before = lists.issue(mid, ACTOR).number
    client.get("/ca/IOTmidCA/crl?update=true")
    installation.clock.advance(seconds=59)
    client.get("/ca/IOTmidCA/crl?update=true")
    assert lists.latest(mid).number == before
    client.get("/ca/IOTmidCA/crl?update=true", headers=admin)
    assert lists.latest(mid).number > before
    second = lists.latest(mid).number
    installation.clock.advance(seconds=61)
    client.get("/ca/IOTmidCA/crl?update=true")
    assert lists.latest(mid).number > second
    installation.clock.advance(seconds=61)
    client.get("/ca/IOTmidCA/crl")
    assert lists.latest(mid).this_update < installation.clock.now - timedelta(minutes=10, seconds=60)


def test_a_burst_of_updates_by_anyone_issues_one_list(installation, app, lists, mid):
    installation.clock.advance(minutes=2)
    before = installation.sql("SELECT count(*) FROM revocation_lists")[0][0]
    barrier = threading.Barrier(8)

    def ask():
        barrier.wait()
        app.test_client().get("/ca/IOTmidCA/crl?update=true")
        installation.services.database.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # One list may take two rows: the first is not stored when it ends on a full line.
    assert installation.sql("SELECT count(*) FROM revocation_lists")[0][0] - before <= 2
    assert lists.latest(mid).this_update == installation.clock.now.replace(microsecond=0) - timedelta(minutes=10)
