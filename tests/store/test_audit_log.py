import ast
import hashlib
import json
import re
from pathlib import Path

import pytest

from app.store.audit_log import Action, AuditEntry

HERE = Path(__file__).parents[2]


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


@pytest.mark.parametrize("action", Action)
def test_every_action_is_in_the_documentation_and_some_act_has_it(action):
    table = re.findall(r"^\| `([a-z.]+)` \|", (HERE / "docs" / "audit.md").read_text(), re.MULTILINE)
    operations = "".join(path.read_text() for path in (HERE / "app" / "operations").glob("*.py"))

    assert action in table
    assert set(table) == set(Action)
    assert re.search(rf"Action\.{action.name}\b", operations)


def test_every_entry_is_made_by_an_actor():
    """So that none is without who, how and from where."""
    made = [
        path.name
        for path in (HERE / "app").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "AuditEntry"
    ]

    assert made == ["actor.py"]


def test_every_entry_of_a_life_says_who_how_whence_what_on_what_and_with_which_result(installation):
    installation.add()

    for entry in installation.services.checkpoints.log.entries():
        assert {"actor", "how", "address", "action", "object", "result", "at", "seq"} <= entry.keys()
        assert entry["action"] in set(Action)


def test_details_cannot_pass_for_what_every_entry_says():
    entry = AuditEntry(
        "who", "how", "-", Action.ENTITY_ADDED, "x", details={"actor": "other", "seq": 7, "result": "no"}
    )

    assert json.loads(entry.canonical(1, "now")) == {
        "actor": "who",
        "how": "how",
        "address": "-",
        "action": "entity.added",
        "object": "x",
        "result": "ok",
        "seq": 1,
        "at": "now",
    }
