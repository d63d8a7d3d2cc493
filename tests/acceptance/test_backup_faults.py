"""Backups and restores where something breaks: a full disk, a directory that cannot be written, a kill at any step."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.server import MIDCA, environment
from tests.backups import back_up
from tests.conftest import require_tool, run

pytestmark = pytest.mark.one_database  # a backup is a file, wherever the rows come from
HERE = Path(__file__).parents[2]
IN_TMPFS = """
mount -t tmpfs -o size=$1 midca-test "$2" || exit 77
shift 2
"$@"
status=$?
ls -A "$PWD/full"
exit $status
"""


def in_full_tmpfs(base: Path, size: str, *command: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a file system of that size on ``base/full``; print what is left there."""
    unshare = require_tool("unshare")
    (base / "full").mkdir(exist_ok=True)
    shell = [unshare, "--map-root-user", "--mount", "sh", "-c", IN_TMPFS, "sh", size, base / "full"]
    done = run(*shell, *command, env=environment(base) | settings, cwd=base)
    if done.returncode in {1, 77} and ("unshare failed" in done.stderr or "mount" in done.stderr):
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    return done


@pytest.mark.parametrize("size", ["4k", "300k"])
def test_backup_onto_a_full_disk_is_refused_and_leaves_nothing(installation, size):
    done = in_full_tmpfs(installation.base, size, MIDCA, "backup", "full/backup.tar", **installation.environment)

    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr or "is full" in done.stderr
    assert done.stdout == ""
    assert "backup.made" not in json.dumps(installation.services.checkpoints.log.entries())


@pytest.mark.parametrize("size", ["4k", "100k"])
def test_restore_onto_a_full_disk_is_refused_and_can_be_run_again(installation, size):
    file = back_up(installation).path

    done = in_full_tmpfs(installation.base, size, MIDCA, "restore", file, MIDCA_DATA=str(installation.base / "full"))

    assert done.returncode == 1, done.stderr
    assert "cannot be restored: No space left on device. Then run it again." in done.stderr or "is full" in done.stderr
    assert "midca.sqlite" not in done.stdout.split()
    assert run(MIDCA, "restore", file, env=environment(installation.base / "other")).returncode == 0


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_directory_that_cannot_be_written_is_a_refusal(installation, command, tmp_path):
    file = back_up(installation).path
    closed = tmp_path / "closed"
    closed.mkdir()
    read_only = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" || exit 77; shift; exec "$@"'
    arguments = ["backup", closed / "backup.tar"] if command == "backup" else ["restore", file]
    shell = [require_tool("unshare"), "--map-root-user", "--mount", "sh", "-c", read_only, "sh", closed]

    settings = installation.environment if command == "backup" else {"MIDCA_DATA": str(closed)}
    done = run(*shell, MIDCA, *arguments, env=environment(installation.base) | settings, cwd=installation.base)

    if done.returncode == 77 or "unshare failed" in done.stderr:
        pytest.skip(f"no file system can be mounted here: {done.stderr}")
    assert done.returncode in {1, 3}, done.stderr
    assert "Read-only file system" in done.stderr
    assert list(closed.iterdir()) == []


def test_restore_that_was_killed_at_any_step_is_known_as_unfinished_and_can_be_run_again(installation, tmp_path):
    file = back_up(installation).path
    base = tmp_path / "other"
    base.mkdir()
    shutil.copytree(installation.base / "profiles", base / "profiles")

    done = run(sys.executable, "-m", "tests.kill_steps", "restore", file, base, cwd=HERE)

    assert done.returncode == 0, done.stderr
    steps = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(steps) > 10
    *killed, done = steps
    for step in killed:
        assert "midca.sqlite.restoring" in step["left"], step
        assert "was not finished: run midca restore again" in step["said"]
    assert "key-passphrase is missing" in done["said"]  # which is not in the backup
    assert [step["killed"] for step in steps] == [True] * (len(steps) - 1) + [False]
