"""Whoever writes to the database behind the CA's back is found, by the name of what they did."""

import json

import pytest

from app.errors import InvalidInput
from app.operations.audit_findings import FindingKind
from app.operations.audit_verification import AuditVerification
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action, chained
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR


@pytest.fixture
def ca(installation):
    """A CA that did a little of everything, its checkpoint written, and a little more behind the checkpoint."""
    installation.serials = []
    for number in range(4):
        enrol(installation, number)
    installation.services.revocation.change("IOTmidCA", installation.serials[0], RevocationReason.KEYCOMPROMISE, ACTOR)
    installation.services.revocation.change(
        "IOTmidCA", installation.serials[1], RevocationReason.CERTIFICATEHOLD, ACTOR
    )
    installation.services.revocation.change("IOTmidCA", installation.serials[1], RevocationReason.NOTREVOKED, ACTOR)
    installation.services.end_entities.revoke("device2", RevocationReason.CESSATIONOFOPERATION, ACTOR)
    installation.services.revocation_lists.issue_due(ACTOR)
    installation.services.tokens.create("second", ACTOR)
    installation.services.tokens.revoke("second", ACTOR)
    installation.services.checkpoints.write()
    enrol(installation, 4)
    return installation


def enrol(installation, number: int) -> None:
    installation.add(f"device{number}")
    request = one_line(csr(f"device{number}", signing_key=key(number)))
    installation.serials.append(installation.sign(f"device{number}", "dojot", request).serial)


def kinds(installation, **copies) -> set[str]:
    return {str(finding.kind) for finding in verified(installation, **copies).findings.found}


def verified(installation, **copies):
    return AuditVerification(installation.services.checkpoints).run(**copies)


def size(installation) -> int:
    return installation.sql("SELECT max(seq) FROM audit_log")[0][0]


def covered(installation) -> int:
    return installation.sql("SELECT max(size) FROM audit_checkpoints")[0][0]


def rewrite(installation, change, *, begin: int = 1) -> None:
    """Change entries as somebody would who knows how they are chained: numbers and chain values fit afterwards."""
    rows = installation.sql("SELECT seq, at, entry, chain_sha256 FROM audit_log ORDER BY seq")
    entries = [json.loads(row[2]) for row in rows]
    chain, written = "", []
    for seq, entry in enumerate(change(entries), start=1):
        text = json.dumps({**entry, "seq": seq}, sort_keys=True, separators=(",", ":"))
        chain = chained(chain, text)
        written.append((seq, entry["at"], text, chain))
    installation.sql("DELETE FROM audit_log")
    installation.sql(
        f"INSERT INTO audit_log VALUES {', '.join(['(?, ?, ?, ?)'] * len(written))}",  # noqa: S608
        *(value for row in written for value in row),
    )


def test_log_that_nobody_touched_verifies(ca):
    done = verified(ca)

    assert done.findings.found == []
    assert done.entries == size(ca)
    assert done.checkpoints >= 2


def test_root_is_that_of_the_newest_checkpoint_when_all_is_covered(ca):
    ca.services.checkpoints.write()

    assert verified(ca).root == ca.services.checkpoints.file.newest().root


EDITS = {
    "an entry": ("UPDATE audit_log SET entry = replace(entry, 'tester', 'nobody') WHERE seq = {}", "edited"),
    "an entry that is no JSON any more": ("UPDATE audit_log SET entry = 'x' WHERE seq = {}", "edited"),
    "an entry that is no object any more": ("UPDATE audit_log SET entry = '[1]' WHERE seq = {}", "edited"),
    "a chain value": ("UPDATE audit_log SET chain_sha256 = 'x' WHERE seq = {}", "edited"),
    "a time": ("UPDATE audit_log SET at = '2020-01-01T00:00:00.000000+00:00' WHERE seq = {}", "edited"),
    "a time that is none": ("UPDATE audit_log SET at = '' WHERE seq = {}", "edited"),
    "an entry that is gone": ("DELETE FROM audit_log WHERE seq = {}", "removed"),
}


@pytest.mark.parametrize(("statement", "kind"), EDITS.values(), ids=EDITS)
@pytest.mark.parametrize("behind_the_checkpoint", [False, True])
def test_edit_is_found_wherever_it_is(ca, statement, kind, behind_the_checkpoint):
    ca.sql(statement.format(size(ca) - 1 if behind_the_checkpoint else 16))

    assert kind in kinds(ca)
    assert "rewritten" not in kinds(ca)  # it is told once, by its own name


def test_edited_entry_is_named(ca):
    ca.sql("UPDATE audit_log SET entry = replace(entry, 'tester', 'nobody') WHERE seq = 16")

    (finding,) = [finding for finding in verified(ca).findings.found if finding.kind is FindingKind.EDITED]
    assert finding.sentence == "Entry 16, or the chain value of the one before it, was changed."


@pytest.mark.parametrize("columns", [("entry",), ("entry", "chain_sha256"), ("entry", "chain_sha256", "at")])
def test_swap_is_found(ca, columns):
    rows = {row[0]: row for row in ca.sql("SELECT seq, entry, chain_sha256, at FROM audit_log WHERE seq IN (10, 14)")}
    for here, there in ((10, 14), (14, 10)):
        values = dict(zip(("entry", "chain_sha256", "at"), rows[there][1:], strict=True))
        for column in columns:
            ca.sql(f"UPDATE audit_log SET {column} = ? WHERE seq = ?", values[column], here)  # noqa: S608

    assert "swapped" in kinds(ca)


def test_truncation_behind_a_checkpoint_is_found(ca):
    ca.sql("DELETE FROM audit_log WHERE seq > ?", covered(ca) - 3)

    assert "truncated" in kinds(ca)


def test_truncation_after_the_checkpoint_is_found_by_what_is_on_record(ca):
    ca.sql("DELETE FROM audit_log WHERE seq > ?", covered(ca))

    assert kinds(ca) == {"row without entry"}


@pytest.mark.parametrize("dropped", [5, 12])
def test_chain_that_was_written_anew_without_an_entry_does_not_fit_the_checkpoint(ca, dropped):
    rewrite(ca, lambda entries: entries[:dropped] + entries[dropped + 1 :])

    assert "rewritten" in kinds(ca)
    assert not kinds(ca) & {"edited", "removed", "swapped"}


def test_chain_that_was_written_anew_with_another_actor_is_found_by_the_checkpoint_alone(ca):
    rewrite(ca, lambda entries: [entry | {"actor": "somebody else"} for entry in entries])

    assert kinds(ca) == {"rewritten"}


def test_chain_and_database_checkpoints_that_were_written_anew_do_not_fit_the_file(ca):
    rewrite(ca, lambda entries: [entry | {"actor": "somebody else"} for entry in entries])
    ca.sql("DELETE FROM audit_checkpoints")

    assert kinds(ca) == {"rewritten"}


def test_all_on_the_machine_was_written_anew_but_a_copy_of_the_checkpoints_elsewhere_tells(ca, tmp_path):
    file = ca.services.checkpoints.file.path
    (tmp_path / "copy").write_bytes(file.read_bytes())
    rewrite(ca, lambda entries: [entry | {"actor": "somebody else"} for entry in entries])
    ca.sql("DELETE FROM audit_checkpoints")
    file.unlink()
    ca.services.checkpoints.write()

    assert kinds(ca) == set()  # whoever holds the machine and its keys can do this: docs/security.md
    assert kinds(ca, files=[tmp_path / "copy"]) == {"rewritten"}


def test_entry_that_was_added_behind_is_found_by_what_is_not_on_record(ca):
    details = {"ca": "IOTmidCA", "serial": "ABCD", "tbs_sha256": "00", "csr_sha256": None}
    with ca.services.database.transaction():
        ca.services.checkpoints.log.append(ca.clock(), ACTOR.entry(Action.CERTIFICATE_PENDING, "x", details))

    assert kinds(ca) == {"entry without row"}


ROWS = {
    "a certificate nobody issued": (
        (
            "INSERT INTO certificates SELECT ca_name, 'ABCD', state, certificate_type, username, subject_dn, tbs, "
            "'other', NULL, csr_sha256, 'k', certificate_profile, profile_sha256, not_before, not_after, created_at, "
            "revoked_at, revocation_reason, crl_partition, supersedes, revocation_revision FROM certificates "
            "WHERE serial = '{}'"
        ),
        "row without entry",
    ),
    "a certificate that is gone": ("DELETE FROM certificates WHERE serial = '{}'", "entry without row"),
    "a certificate that is another's": (
        "UPDATE certificates SET username = 'x' WHERE serial = '{}'",
        "row unlike entry",
    ),
    "another hash": ("UPDATE certificates SET tbs_sha256 = 'x' WHERE serial = '{}'", "row unlike entry"),
    "another state": ("UPDATE certificates SET state = 'pending' WHERE serial = '{}'", "row unlike entry"),
    "other bytes": (
        (
            "UPDATE certificates SET certificate = (SELECT certificate FROM certificates WHERE username = 'IOTmidCA') "
            "WHERE serial = '{}'"
        ),
        "row unlike entry",
    ),
    "bytes that are no certificate": (
        "UPDATE certificates SET certificate = 'AAAA' WHERE serial = '{}'",
        "row unlike entry",
    ),
    "a revocation that was taken back": (
        "UPDATE certificates SET revocation_reason = -1, revoked_at = NULL WHERE serial = '{}'",
        "row unlike entry",
    ),
    "another reason": ("UPDATE certificates SET revocation_reason = 4 WHERE serial = '{}'", "row unlike entry"),
    "a list nobody issued": (
        (
            "INSERT INTO revocation_lists SELECT ca_name, scope, kind, number + 1000, state, revision, 'x', NULL, "
            "about, 0, this_update, next_update FROM revocation_lists LIMIT 1"
        ),
        "row without entry",
    ),
    "a list that is gone": ("DELETE FROM revocation_lists WHERE ca_name = 'IOTrootCA'", "entry without row"),
    "a list that is not issued any more": ("UPDATE revocation_lists SET state = 'pending'", "entry without row"),
    "a list of another number": ("UPDATE revocation_lists SET number = number + 100000", "row without entry"),
    "a token nobody made": (
        (
            "INSERT INTO access_tokens (name, role, token_sha256, created_at) "
            "SELECT 'x', role, 'hash', created_at FROM access_tokens LIMIT 1"
        ),
        "row without entry",
    ),
    "a token that came back": ("UPDATE access_tokens SET revoked_at = NULL WHERE name = 'second'", "row unlike entry"),
    "a token of another role": ("UPDATE access_tokens SET role = 'auditor' WHERE name = 'second'", "row unlike entry"),
    "a token of another tenant": ("UPDATE access_tokens SET tenant = 'A' WHERE name = 'second'", "row unlike entry"),
    "a token of another hash": (
        "UPDATE access_tokens SET token_sha256 = 'x' WHERE name = 'second'",
        "row unlike entry",
    ),
    "a token that lives longer": (
        "UPDATE access_tokens SET expires_at = 'x' WHERE name = 'second'",
        "row unlike entry",
    ),
    "a token that is a certificate": (
        "UPDATE access_tokens SET credential = 'certificate' WHERE name = 'second'",
        "row unlike entry",
    ),
    "a token that is gone": ("DELETE FROM access_tokens WHERE name = 'second'", "entry without row"),
}


@pytest.mark.parametrize(("statement", "kind"), ROWS.values(), ids=ROWS)
def test_row_and_log_that_differ_are_found(ca, statement, kind):
    ca.sql(statement.format(ca.serials[0]))

    assert kind in kinds(ca)
    ca.oracle.file.write_text("")  # some of these take a signed certificate off the record: that is the point


LISTS = {
    "other bytes": (
        "UPDATE revocation_lists SET crl = (SELECT crl FROM revocation_lists WHERE ca_name = 'IOTrootCA' AND crl IS "
        "NOT NULL) WHERE ca_name = 'IOTmidCA' AND crl IS NOT NULL"
    ),
    "bytes that are no list": "UPDATE revocation_lists SET crl = 'AAAA' WHERE ca_name = 'IOTmidCA' AND crl IS NOT NULL",
    "a revocation that was taken back": "UPDATE certificates SET revocation_reason = -1 WHERE serial = '{}'",
    "one that is as if never revoked": (
        "UPDATE certificates SET revocation_reason = -1, revocation_revision = 0 WHERE serial = '{}'"
    ),
    "one that is gone": "DELETE FROM certificates WHERE serial = '{}'",
}


@pytest.mark.parametrize("statement", LISTS.values(), ids=LISTS)
def test_list_that_does_not_say_what_is_on_record_is_found(ca, statement):
    ca.sql(statement.format(ca.serials[0]))

    assert "list" in kinds(ca)
    ca.oracle.file.write_text("")


def test_revocation_that_is_missing_on_the_list_is_found(ca):
    ca.sql("UPDATE certificates SET revocation_reason = 1, revocation_revision = 1 WHERE serial = ?", ca.serials[3])

    assert "list" in kinds(ca)


def test_revocation_that_is_not_on_a_list_yet_is_no_finding(ca):
    ca.services.revocation.change("IOTmidCA", ca.serials[3], RevocationReason.KEYCOMPROMISE, ACTOR)
    ca.services.end_entities.revoke("device4", RevocationReason.CESSATIONOFOPERATION, ACTOR)

    assert kinds(ca) == set()


def test_certificate_that_ended_and_left_the_list_is_no_finding(ca):
    ca.clock.advance(days=800)
    for _ in range(2):
        ca.services.revocation_lists.issue(ca.services.authorities.named("IOTmidCA"), ACTOR)

    assert kinds(ca) == set()


def test_certificate_that_was_revoked_by_hand_is_found(ca):
    ca.sql("UPDATE certificates SET revocation_reason = 1 WHERE serial = ?", ca.serials[3])

    (finding,) = verified(ca).findings.found
    assert finding.sentence == (f"The certificate {ca.serials[3]} has the reason 1 on record and -1 in the log.")


def test_issued_entry_without_the_pending_one_is_found(ca):
    rewrite(ca, lambda entries: [entry for entry in entries if entry["action"] != "certificate.pending"])

    assert "entry without row" in kinds(ca)


def test_clock_that_went_back_is_found_beyond_a_tolerance(ca):
    ca.clock.advance(minutes=-4)
    ca.add("a")
    assert kinds(ca) == set()

    ca.clock.advance(minutes=-4)
    ca.add("b")
    assert kinds(ca) == {"clock"}


def test_checkpoint_that_somebody_else_signed_is_found(ca):
    path = ca.services.checkpoints.file.path
    text = path.read_text()
    line = text.rstrip("\n").rpartition(" ")[2]
    path.write_text(text.replace(line, line[:-8] + "AAAAAAA="))

    assert "checkpoint" in kinds(ca)


def test_checkpoint_that_names_another_size_is_found(ca):
    path = ca.services.checkpoints.file.path
    path.write_text(path.read_text().replace(f"\n{covered(ca)}\n", "\n7\n"))

    assert kinds(ca) == {"checkpoint"}


def test_what_is_no_checkpoint_in_the_file_is_found(ca):
    with ca.services.checkpoints.file.path.open("a") as file:
        file.write("midca/audit/torn\n12")

    assert kinds(ca) == {"checkpoint"}


def test_copies_without_a_checkpoint_are_refused(ca, tmp_path):
    (tmp_path / "empty").touch()

    for copies in ({"files": [tmp_path / "empty"]}, {"exports": [tmp_path / "empty"]}):
        with pytest.raises(InvalidInput, match="There is no checkpoint"):
            verified(ca, **copies)


@pytest.mark.parametrize("first", [1, 15])
def test_export_tells_what_was_changed_since(ca, tmp_path, first):
    entries = [row[0] for row in ca.sql("SELECT entry FROM audit_log WHERE seq >= ? ORDER BY seq", first)]
    note = ca.services.checkpoints.file.newest().note
    (tmp_path / "export").write_text("".join(f"{entry}\n" for entry in entries) + note)
    assert kinds(ca, exports=[tmp_path / "export"]) == set()

    ca.sql("DELETE FROM audit_checkpoints")
    ca.services.checkpoints.file.path.unlink()
    rewrite(ca, lambda entries: [entry | {"address": "10.0.0.1"} for entry in entries[:-1]])

    assert kinds(ca, exports=[tmp_path / "export"]) >= {"rewritten", "truncated"}


def test_many_findings_of_a_kind_are_counted(ca):
    ca.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO access_tokens "
        "(name, role, token_sha256, created_at) SELECT 'x' || i, 'admin', 'h' || i, '' FROM n"
    )

    findings = verified(ca).findings

    assert findings.counts == {FindingKind.ROW_WITHOUT_ENTRY: 300}
    assert len(findings.found) == 100


def test_server_at_work_is_no_finding(ca, monkeypatch):
    """What happens between the reading of the log and of the rows is seen in the second look."""
    pages = type(ca.services.checkpoints.log).pages
    acted = []

    def pages_then_act(log, after=0):
        yield from pages(log, after)
        if not acted:
            acted.append(enrol(ca, 5))
            ca.services.revocation.change("IOTmidCA", ca.serials[3], RevocationReason.SUPERSEDED, ACTOR)

    monkeypatch.setattr(type(ca.services.checkpoints.log), "pages", pages_then_act)

    done = verified(ca)

    assert acted
    assert done.findings.found == []
    assert done.entries == size(ca)


def test_log_of_the_time_before_scopes_and_trees_verifies(ca):
    """Entries of lists named no scope then, and none of them a hash when it was issued."""

    def as_before(entries):
        return [{k: v for k, v in entry.items() if k not in {"scope", "kind"}} for entry in entries]

    ca.sql("DELETE FROM audit_checkpoints")
    ca.services.checkpoints.file.path.unlink()
    rewrite(ca, as_before)

    assert kinds(ca) == set()
    ca.services.checkpoints.write()
    assert verified(ca).checkpoints == 1
