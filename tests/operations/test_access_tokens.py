from datetime import timedelta

import pytest

from app.errors import Conflict, InvalidInput, UnknownToken
from app.operations.access_tokens import Grant
from app.operations.principal import Role
from tests.conftest import ACTOR


@pytest.fixture
def tokens(installation):
    return installation.services.tokens


def test_token_is_recognised_by_its_name(tokens):
    assert tokens.recognise(tokens.create("second", ACTOR)).name == "second"


def test_token_is_nowhere_in_the_database(installation, tokens):
    token = tokens.create("second", ACTOR)

    assert token.encode() not in installation.database_bytes()


@pytest.mark.parametrize("change", [str.upper, lambda t: t + " ", lambda t: t[:-1], lambda _: "", lambda _: "\ud800"])
def test_other_text_is_no_token(tokens, change):
    token = tokens.create("second", ACTOR)

    assert tokens.recognise(change(token)) is None


def test_token_ends_when_its_time_is_over(installation, tokens):
    token = tokens.create("second", ACTOR, Grant(lifetime=timedelta(days=1)))
    installation.clock.advance(hours=23)
    assert tokens.recognise(token)

    installation.clock.advance(hours=1)
    assert tokens.recognise(token) is None


def test_token_without_a_time_does_not_end(installation, tokens):
    token = tokens.create("second", ACTOR)
    installation.clock.advance(days=36500)

    assert tokens.recognise(token)


def test_revoked_token_ends_at_once_and_the_others_stay(tokens):
    first, second = tokens.create("first", ACTOR), tokens.create("second", ACTOR)

    tokens.revoke("first", ACTOR)

    assert tokens.recognise(first) is None
    assert tokens.recognise(second)


def test_revoking_again_keeps_the_first_time(installation, tokens):
    tokens.create("second", ACTOR)
    tokens.revoke("second", ACTOR)
    first = tokens.store.find("second").revoked_at
    installation.clock.advance(days=1)
    tokens.revoke("second", ACTOR)

    assert tokens.store.find("second").revoked_at == first


def test_token_that_does_not_exist_is_not_revoked(tokens):
    with pytest.raises(UnknownToken):
        tokens.revoke("none", ACTOR)


def test_name_is_never_used_again(tokens):
    tokens.create("second", ACTOR)
    tokens.revoke("second", ACTOR)

    with pytest.raises(Conflict):
        tokens.create("second", ACTOR)


@pytest.mark.parametrize("name", ["", " x", "-x", "a" * 65, "a\n", "a\0", "é", "a/b"], ids=ascii)
def test_impossible_name_is_refused(tokens, name):
    with pytest.raises(InvalidInput):
        tokens.create(name, ACTOR)


def test_token_that_could_not_be_delivered_does_not_exist(tokens):
    def fail(_: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        tokens.create("second", ACTOR, deliver=fail)
    assert tokens.store.find("second") is None


def test_making_and_ending_a_token_is_audited_without_the_token(installation, tokens):
    token = tokens.create("second", ACTOR)
    tokens.revoke("second", ACTOR)

    entries = installation.services.readiness.audit.entries()[-2:]
    assert [(entry["action"], entry["object"], entry["actor"]) for entry in entries] == [
        ("token.created", "second", "tester"),
        ("token.revoked", "second", "tester"),
    ]
    assert token not in str(entries)


def test_second_start_writes_no_second_admin_token(installation, reopen):
    before = installation.settings.admin_token.read_bytes()

    assert not reopen().token_written
    assert installation.settings.admin_token.read_bytes() == before


def test_revoked_admin_token_is_not_replaced_by_a_restart(installation, reopen):
    installation.services.tokens.revoke("admin", ACTOR)

    assert not reopen().token_written


@pytest.mark.parametrize(
    "grant",
    [
        Grant(Role.ADMIN, "A"),
        Grant(Role.REGISTRAR, "A:B"),
        Grant(Role.REGISTRAR, ""),
        Grant(Role.REGISTRAR, "a b"),
        Grant(Role.TRUSTED_NETWORK),
        Grant(Role.METRICS_NETWORK),
    ],
    ids=str,
)
def test_grant_that_cannot_be_given_is_refused(tokens, grant):
    with pytest.raises(InvalidInput):
        tokens.create("second", ACTOR, grant)
    with pytest.raises(InvalidInput):
        tokens.admit("second", b"certificate", ACTOR, grant)
    assert tokens.store.find("second") is None


def test_certificate_is_no_token_and_a_token_no_certificate(tokens):
    token = tokens.create("second", ACTOR)
    tokens.admit("third", b"certificate", ACTOR)

    assert tokens.recognise_certificate(token.encode()) is None
    assert tokens.recognise("certificate") is None
    assert tokens.recognise_certificate(b"certificate").name == "third"


def test_what_a_token_gives_is_audited(installation, tokens):
    tokens.create("second", ACTOR, Grant(Role.REGISTRAR, "A", timedelta(days=1)))

    entry, record = installation.last_audit(), tokens.store.find("second")
    assert {name: entry[name] for name in record.particulars()} == record.particulars()
    assert (entry["role"], entry["tenant"], entry["credential"]) == ("registrar", "A", "token")
