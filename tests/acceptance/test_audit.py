"""``midca audit`` as an operator types it, and what a program that shares no line with ours says of the files."""

import json
import os
import stat
from base64 import b64decode
from pathlib import Path

import pytest
from sqlite_utils.utils import sqlite3

from app.errors import InvalidInput
from app.pki.merkle_tree import leaf_hash
from tests.acceptance.server import MIDCA, environment
from tests.conftest import require_tool, run
from tests.merkle_proofs import is_continued, root_by_inclusion

WITNESS = Path(__file__).parent / "witness"


@pytest.fixture
def base(make_installation) -> Path:
    made = make_installation()
    for number in range(3):
        made.clock.advance(seconds=1)
        made.add(f"device{number}")
    return made.base


def midca(base: Path, *arguments: str | Path, status: int = 0, **settings: str):
    done = run(MIDCA, "audit", *arguments, env=environment(base) | settings, cwd=base)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def tamper(base: Path, statement: str) -> None:
    connection = sqlite3.connect(base / "data" / "midca.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


def test_list_shows_the_newest_first_by_action_object_and_time(base):
    found = json.loads(midca(base, "list", "--json", "--action", "entity").stdout)
    assert [entry["object"] for entry in found] == ["device2", "device1", "device0"]

    assert json.loads(midca(base, "list", "--json", "--action", "entity.added", "--limit", "1").stdout) == found[:1]
    assert json.loads(midca(base, "list", "--json", "--object", "device1").stdout) == found[1:2]
    assert json.loads(midca(base, "list", "--json", "--since", found[1]["at"]).stdout) == found[:2]
    assert midca(base, "list", "--since", "2099-01-01").stdout == "None.\n"
    assert "device1" in midca(base, "list").stdout


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\u202eb", "\u2028"], ids=ascii)
def test_name_that_anyone_sent_moves_no_cursor_and_forges_no_line(make_installation, name):
    """A05."""
    installation = make_installation()
    with pytest.raises(InvalidInput):
        installation.sign(name, "dojot", "")

    told = midca(installation.base, "list", "--action", "certificate.refused").stdout
    assert len(told.splitlines()) == 3
    assert ascii(name)[1:-1] in told
    assert json.loads(midca(installation.base, "list", "--limit", "1", "--json").stdout)[0]["object"] == name


def test_time_that_is_none_is_a_refusal(base):
    assert "is no time like" in midca(base, "list", "--since", "yesterday", status=1).stderr


def test_show_proves_that_the_newest_checkpoint_covers_the_entry(base):
    shown = json.loads(midca(base, "show", "3", "--json").stdout)

    size, root = shown["checkpoint"].split("\n")[1:3]
    leaf = leaf_hash(shown["entry"].encode())
    assert shown["leaf"] == leaf.hex()
    proved = root_by_inclusion(leaf, 2, int(size), [bytes.fromhex(text) for text in shown["proof"]])
    assert json.loads(midca(base, "verify", "--json").stdout)["checkpoints"] >= 1
    assert proved == b64decode(root)


def test_show_of_an_entry_that_waits_for_its_checkpoint(base):
    assert "not yet" in midca(base, "show", "16").stdout


def test_show_of_an_entry_that_is_not_there_is_a_refusal(base):
    assert midca(base, "show", "99", status=1).stderr == "midca: There is no audit entry 99.\n"


def head_of(note: str) -> tuple[int, bytes]:
    size, root = note.split("\n")[1:3]
    return int(size), b64decode(root)


def test_consistency_proves_that_the_newest_checkpoint_continues_one_that_a_witness_kept(base):
    kept, kept_root = head_of((base / "data" / "audit.checkpoints").read_text())
    midca(base, "export", "out")  # which makes a checkpoint of all entries

    old, *lines = midca(base, "consistency", str(kept)).stdout.split("\n")
    proof = [b64decode(line) for line in lines[: lines.index("")]]
    size, root = head_of("\n".join(lines[lines.index("") + 1 :]))

    assert (old, size) == (f"old {kept}", 16)
    assert kept < size
    assert is_continued(kept, kept_root, size, root, proof)
    assert not is_continued(kept, leaf_hash(b"other"), size, root, proof)


def test_consistency_with_nothing_and_with_itself_needs_no_proof(base):
    midca(base, "export", "out")
    for size in ("0", "16"):
        assert midca(base, "consistency", size).stdout.startswith(f"old {size}\n\nmidca/audit/")


def test_consistency_with_what_no_checkpoint_covers_is_a_refusal(base):
    covers = head_of((base / "data" / "audit.checkpoints").read_text())[0]

    assert midca(base, "consistency", "99", status=1).stderr == (
        f"midca: The newest checkpoint covers {covers} entries, not 99.\n"
    )


def test_export_is_the_entries_and_a_checkpoint_of_them_all(base):
    midca(base, "export", "out")

    *entries, origin, size, _, _, signature = (base / "out").read_text().splitlines()
    assert [json.loads(entry)["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert int(size) == len(entries)
    assert signature.startswith(f"\N{EM DASH} {origin} ")
    assert midca(base, "export", "--from", "16").stdout.startswith('{"action":"entity.added"')
    assert midca(base, "export", "-").stdout == midca(base, "export").stdout == (base / "out").read_text()
    assert "out is there already" in midca(base, "export", "out", status=1).stderr


def test_export_can_be_read_by_its_owner_alone_whatever_the_umask(base):
    done = run(MIDCA, "audit", "export", "out", env=environment(base), cwd=base, umask=0)

    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((base / "out").stat().st_mode) == 0o600


def test_export_of_a_log_that_contradicts_its_checkpoints_is_handed_out_with_a_warning(base):
    tamper(base, "DELETE FROM audit_log WHERE seq = 15")

    done = midca(base, "export", "out")

    assert "WARNING: The audit log was changed at entry 16" in done.stderr
    assert '"seq":16' in (base / "out").read_text()


def test_verify_is_status_0_and_silent_about_nothing(base):
    midca(base, "export", "out")

    told = midca(base, "verify", "--export", "out", "--checkpoints", "data/audit.checkpoints").stdout

    assert told.startswith("16 entries, ")
    assert told.count("\n") == 1


def test_verify_names_what_it_found_and_is_status_1(base):
    tamper(base, "UPDATE audit_log SET entry = replace(entry, 'device1', 'device7') WHERE seq = 15")

    done = midca(base, "verify", status=1)

    assert done.stdout.startswith("edited: Entry 15, ")
    assert done.stderr == "midca: The audit log does not verify.\n"
    found = json.loads(midca(base, "verify", "--json", status=1).stdout)
    assert found["counts"] == {"edited": 1}


def test_verify_of_a_copy_that_is_not_there_is_status_2(base):
    assert "does not exist" in midca(base, "verify", "--checkpoints", "missing", status=2).stderr


@pytest.mark.slow
def test_go_verifies_note_tree_and_proof(base, tmp_path):
    go = require_tool("go")
    variables = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false"}
    built = run(go, "build", "-o", tmp_path / "witness", ".", cwd=WITNESS, env=variables)
    assert built.returncode == 0, built.stderr
    key = midca(base, "key").stdout.strip()
    (base / "proof").write_text(midca(base, "show", "3", "--json").stdout)
    midca(base, "export", "out")
    (base / "continued").write_text(midca(base, "consistency", "7").stdout)
    command = [tmp_path / "witness", key, base / "out", base / "proof", base / "continued"]

    told = run(*command)

    assert (told.returncode, told.stdout) == (0, "16 entries\n"), told.stderr
    (base / "out").write_text((base / "out").read_text().replace("device1", "device7"))
    assert "the root is" in run(*command).stderr
