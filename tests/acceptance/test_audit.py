"""``midca audit`` as an operator types it, and what a program that shares no line with ours says of the files."""

import json
import os
import stat
from base64 import b64decode
from pathlib import Path

import pytest

from app.errors import InvalidInput
from app.pki.merkle_tree import leaf_hash
from tests.acceptance.server import MIDCA, environment
from tests.conftest import Installation, require_tool, run
from tests.merkle_proofs import is_continued, root_by_inclusion

pytestmark = pytest.mark.one_database  # what commands print; the log itself is tried on both
WITNESS = Path(__file__).parent / "witness"


@pytest.fixture
def ca(installation) -> Installation:
    for number in range(3):
        installation.clock.advance(seconds=1)
        installation.add(f"device{number}")
    return installation


def midca(ca: Installation, *arguments: str | Path, status: int = 0):
    done = run(MIDCA, "audit", *arguments, env=environment(ca.base) | ca.environment, cwd=ca.base)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_list_shows_the_newest_first_by_action_object_and_time(ca):
    found = json.loads(midca(ca, "list", "--json", "--action", "entity").stdout)
    assert [entry["object"] for entry in found] == ["device2", "device1", "device0"]

    assert json.loads(midca(ca, "list", "--json", "--action", "entity.added", "--limit", "1").stdout) == found[:1]
    assert json.loads(midca(ca, "list", "--json", "--object", "device1").stdout) == found[1:2]
    assert json.loads(midca(ca, "list", "--json", "--since", found[1]["at"]).stdout) == found[:2]
    assert midca(ca, "list", "--since", "2099-01-01").stdout == "None.\n"
    assert "device1" in midca(ca, "list").stdout


@pytest.mark.parametrize("name", ["a\nb", "\x1b[2J", "a\u202eb", "\u2028"], ids=ascii)
def test_name_that_anyone_sent_moves_no_cursor_and_forges_no_line(installation, name):
    """A05."""
    with pytest.raises(InvalidInput):
        installation.sign(name, "dojot", "")

    told = midca(installation, "list", "--action", "certificate.refused").stdout
    assert len(told.splitlines()) == 3
    assert ascii(name)[1:-1] in told
    assert json.loads(midca(installation, "list", "--limit", "1", "--json").stdout)[0]["object"] == name


def test_time_that_is_none_is_a_refusal(ca):
    assert "is no time like" in midca(ca, "list", "--since", "yesterday", status=1).stderr


def test_show_proves_that_the_newest_checkpoint_covers_the_entry(ca):
    shown = json.loads(midca(ca, "show", "3", "--json").stdout)

    size, root = shown["checkpoint"].split("\n")[1:3]
    leaf = leaf_hash(shown["entry"].encode())
    assert shown["leaf"] == leaf.hex()
    proved = root_by_inclusion(leaf, 2, int(size), [bytes.fromhex(text) for text in shown["proof"]])
    assert json.loads(midca(ca, "verify", "--json").stdout)["checkpoints"] >= 1
    assert proved == b64decode(root)


def test_show_of_an_entry_that_waits_for_its_checkpoint(ca):
    assert "not yet" in midca(ca, "show", "16").stdout


def test_show_of_an_entry_that_is_not_there_is_a_refusal(ca):
    assert midca(ca, "show", "99", status=1).stderr == "midca: There is no audit entry 99.\n"


def head_of(note: str) -> tuple[int, bytes]:
    size, root = note.split("\n")[1:3]
    return int(size), b64decode(root)


def test_consistency_proves_that_the_newest_checkpoint_continues_one_that_a_witness_kept(ca):
    kept, kept_root = head_of((ca.base / "data" / "audit.checkpoints").read_text())
    midca(ca, "export", "out")  # which makes a checkpoint of all entries

    old, *lines = midca(ca, "consistency", str(kept)).stdout.split("\n")
    proof = [b64decode(line) for line in lines[: lines.index("")]]
    size, root = head_of("\n".join(lines[lines.index("") + 1 :]))

    assert (old, size) == (f"old {kept}", 16)
    assert kept < size
    assert is_continued(kept, kept_root, size, root, proof)
    assert not is_continued(kept, leaf_hash(b"other"), size, root, proof)


def test_consistency_with_nothing_and_with_itself_needs_no_proof(ca):
    midca(ca, "export", "out")
    for size in ("0", "16"):
        assert midca(ca, "consistency", size).stdout.startswith(f"old {size}\n\nmidca/audit/")


def test_consistency_with_what_no_checkpoint_covers_is_a_refusal(ca):
    covers = head_of((ca.base / "data" / "audit.checkpoints").read_text())[0]

    assert midca(ca, "consistency", "99", status=1).stderr == (
        f"midca: The newest checkpoint covers {covers} entries, not 99.\n"
    )


def test_export_is_the_entries_and_a_checkpoint_of_them_all(ca):
    midca(ca, "export", "out")

    *entries, origin, size, _, _, signature = (ca.base / "out").read_text().splitlines()
    assert [json.loads(entry)["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert int(size) == len(entries)
    assert signature.startswith(f"\N{EM DASH} {origin} ")
    assert midca(ca, "export", "--from", "16").stdout.startswith('{"action":"entity.added"')
    assert midca(ca, "export", "-").stdout == midca(ca, "export").stdout == (ca.base / "out").read_text()
    assert "out is there already" in midca(ca, "export", "out", status=1).stderr


def test_export_can_be_read_by_its_owner_alone_whatever_the_umask(ca):
    done = run(MIDCA, "audit", "export", "out", env=environment(ca.base) | ca.environment, cwd=ca.base, umask=0)

    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE((ca.base / "out").stat().st_mode) == 0o600


def test_export_of_a_log_that_contradicts_its_checkpoints_is_handed_out_with_a_warning(ca):
    ca.sql("DELETE FROM audit_log WHERE seq = 15")

    done = midca(ca, "export", "out")

    assert "WARNING: The audit log was changed at entry 16" in done.stderr
    assert '"seq":16' in (ca.base / "out").read_text()


def test_verify_is_status_0_and_silent_about_nothing(ca):
    midca(ca, "export", "out")

    told = midca(ca, "verify", "--export", "out", "--checkpoints", "data/audit.checkpoints").stdout

    assert told.startswith("16 entries, ")
    assert told.count("\n") == 1


def test_verify_names_what_it_found_and_is_status_1(ca):
    ca.sql("UPDATE audit_log SET entry = replace(entry, 'device1', 'device7') WHERE seq = 15")

    done = midca(ca, "verify", status=1)

    assert done.stdout.startswith("edited: Entry 15, ")
    assert done.stderr == "midca: The audit log does not verify.\n"
    found = json.loads(midca(ca, "verify", "--json", status=1).stdout)
    assert found["counts"] == {"edited": 1}


def test_verify_of_a_copy_that_is_not_there_is_status_2(ca):
    assert "does not exist" in midca(ca, "verify", "--checkpoints", "missing", status=2).stderr


@pytest.mark.slow
def test_go_verifies_note_tree_and_proof(ca, tmp_path):
    go = require_tool("go")
    variables = os.environ | {"GOFLAGS": "-mod=readonly -buildvcs=false"}
    built = run(go, "build", "-o", tmp_path / "witness", ".", cwd=WITNESS, env=variables)
    assert built.returncode == 0, built.stderr
    key = midca(ca, "key").stdout.strip()
    (ca.base / "proof").write_text(midca(ca, "show", "3", "--json").stdout)
    midca(ca, "export", "out")
    (ca.base / "continued").write_text(midca(ca, "consistency", "7").stdout)
    command = [tmp_path / "witness", key, ca.base / "out", ca.base / "proof", ca.base / "continued"]

    told = run(*command)

    assert (told.returncode, told.stdout) == (0, "16 entries\n"), told.stderr
    (ca.base / "out").write_text((ca.base / "out").read_text().replace("device1", "device7"))
    assert "the root is" in run(*command).stderr
