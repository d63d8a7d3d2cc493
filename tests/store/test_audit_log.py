import hashlib
import json


def test_entries_are_chained_each_to_the_one_before(installation):
    installation.add()
    chain = ""
    for number, (seq, entry, found) in enumerate(
        installation.sql("SELECT seq, entry, chain_sha256 FROM audit_log ORDER BY seq"), start=1
    ):
        chain = hashlib.sha256(f"{chain}\n{entry}".encode()).hexdigest()
        assert (seq, found) == (number, chain)
    assert number >= 6


def test_entry_is_one_line_of_canonical_json(installation):
    installation.add('é, "x"')
    text = installation.sql("SELECT entry FROM audit_log ORDER BY seq DESC LIMIT 1")[0][0]

    assert text.isascii()
    assert "\n" not in text
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))


def test_entry_says_who_did_what_to_whom_and_when(installation):
    installation.add()

    entry = installation.last_audit()

    assert (entry["actor"], entry["how"], entry["address"]) == ("tester", "test", "-")
    assert (entry["action"], entry["object"], entry["result"]) == ("entity.added", "f60c28", "ok")
    assert entry["at"] == installation.clock.now.isoformat(timespec="microseconds")
