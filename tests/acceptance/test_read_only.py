"""F16. What the CA would write to may only be read: a start says so in a sentence, and changes nothing."""

import json
import os
import shutil
import subprocess

import pytest

from tests.acceptance.server import MIDCA, environment, free_port
from tests.conftest import run

COMMANDS = [["serve"], ["init"], ["entity", "list"]]


@pytest.fixture
def base(data_template, tmp_path):
    base = tmp_path / "installation"
    shutil.copytree(data_template, base)
    yield base
    (base / "data").chmod(0o700)


def refused(base, command: list[str]) -> str:
    """Run a command without root's right to overlook modes; return the sentence that it ends with."""
    privileges = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
    settings = environment(base) | {"MIDCA_PORT": str(free_port())}  # another midca may run on this machine
    done = run(*privileges, MIDCA, *command, env=settings, cwd=base, timeout=60)
    assert done.returncode == 3, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1
    return done.stderr


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_database_that_may_only_be_read_is_told(base, command):
    (base / "data" / "midca.sqlite").chmod(0o400)

    assert "midca.sqlite cannot be opened for writing: Permission denied." in refused(base, command)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_directory_that_may_only_be_read_is_told(base, command):
    for name in ("midca.sqlite-wal", "midca.sqlite-shm", "midca.sqlite.lock"):
        (base / "data" / name).unlink(missing_ok=True)
    (base / "data").chmod(0o500)

    assert str(base / "data") in refused(base, command)


@pytest.mark.parametrize("command", [*COMMANDS, ["doctor"], ["reload"]], ids=lambda command: command[0])
def test_directory_that_is_closed_to_the_user_is_told(base, command):
    (base / "data").chmod(0)

    told = refused(base, command)

    assert str(base / "data") in told
    assert "Permission denied." in told


@pytest.mark.parametrize("folder", ["keys", "ocsp"])
def test_keys_that_cannot_be_listed_keep_their_passphrase(base, folder):
    """Else a rotation would seal those that it finds, none, and take the old passphrase away."""
    closed, passphrase = base / "data" / "ca" / folder, base / "data" / "secrets" / "key-passphrase"
    before = passphrase.read_bytes()
    closed.chmod(0o300)

    told = refused(base, ["keys", "rotate-passphrase"])

    closed.chmod(0o700)
    assert f"{closed} cannot be looked at: Permission denied." in told
    assert passphrase.read_bytes() == before
    states = run(MIDCA, "keys", "list", env=environment(base), cwd=base)
    assert states.returncode == 0, states.stderr


def test_certificates_that_cannot_be_listed_are_not_taken_for_none(base):
    """Else a database and a passphrase would be made beside the keys of the CAs that are there."""
    data = base / "data"
    for path in data.glob("midca.sqlite*"):
        path.unlink()
    (data / "secrets" / "key-passphrase").unlink()
    (data / "ca" / "certificates").chmod(0o300)

    told = refused(base, ["init"])

    assert f"{data / 'ca' / 'certificates'} cannot be looked at: Permission denied." in told
    assert not (data / "midca.sqlite").exists()
    assert not (data / "secrets" / "key-passphrase").exists()


def test_backup_of_profiles_that_cannot_be_seen_is_none(base, tmp_path):
    cases = base / "profiles" / "cases"
    cases.mkdir(exist_ok=True)
    cases.chmod(0)

    told = refused(base, ["backup", "create", str(tmp_path / "backup.tar")])

    cases.chmod(0o700)
    assert f"{cases} cannot be looked at: Permission denied." in told
    assert not (tmp_path / "backup.tar").exists()


def test_doctor_tells_once_what_cannot_be_seen(base):
    (base / "data" / "midca.sqlite").unlink()
    (base / "data" / "midca.sqlite").symlink_to("midca.sqlite")

    done = run(MIDCA, "doctor", "--json", env=environment(base), cwd=base)

    found = json.loads(done.stdout)
    told = [each["check"] for each in found if "midca.sqlite cannot be looked at: Too many levels" in each["says"]]
    assert told == ["secret files", "start"]
    assert found[-1]["check"] == "start", "what needs the services is not tried"


def test_file_system_that_may_only_be_read_is_told(base, tmp_path):
    mounted = tmp_path / "mounted"
    mounted.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "none", str(mounted)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("nothing can be mounted here")
    try:
        shutil.copytree(base, mounted, dirs_exist_ok=True)
        (mounted / "tmp").mkdir()
        subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)

        assert "Read-only file system" in refused(mounted, ["serve"])
    finally:
        subprocess.run(["umount", "--lazy", str(mounted)], check=True)
