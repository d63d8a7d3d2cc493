"""``midca backup``, ``midca restore`` and ``midca doctor`` as an operator types them."""

import json
import re
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.operations.doctor import CHECKS
from app.store.sqlite_library import sqlite3
from tests.acceptance.server import MIDCA, environment
from tests.builders import csr
from tests.conftest import run

HERE = Path(__file__).parents[2]
PASSPHRASE = "a passphrase of its own"


@pytest.fixture
def base(data_template: Path, tmp_path: Path) -> Path:
    shutil.copytree(data_template, tmp_path / "installation")
    (tmp_path / "installation" / "passphrase").write_text(f"{PASSPHRASE}\n")
    return tmp_path / "installation"


def midca(base: Path, *arguments: str | Path, status: int = 0, **settings: str) -> str:
    done = run(MIDCA, *arguments, env=environment(base) | settings, cwd=base, stdin=None)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


def test_backup_with_keys_is_all_that_is_needed_on_another_machine(base):
    told = json.loads(midca(base, "backup", "b.tar", "--with-keys", "--passphrase-file", "passphrase", "--json"))
    assert told["keys"] == "sealed in it"
    assert json.loads(midca(base, "backup", "verify", "b.tar", "--json"))["audit entries"] == told["audit entries"]
    shutil.rmtree(base / "data")

    restored = json.loads(midca(base, "restore", "b.tar", "--passphrase-file", "passphrase", "--json"))

    assert (restored["keys"], restored["tokens ended"]) == ("restored", 1)
    assert midca(base, "init").startswith("Nothing to do")
    assert PASSPHRASE not in midca(base, "audit", "export")
    midca(base, "entity", "add", "f60c28", "--password-file", "passphrase")
    (base / "request").write_bytes(csr().public_bytes(Encoding.PEM))
    assert "BEGIN CERTIFICATE" in midca(base, "sign", "f60c28", "request", "--password-file", "passphrase")
    assert "tells of a restore from a backup" in midca(base, "audit", "verify")


def test_secrets_can_be_opened_without_midca_as_the_documentation_has_it(base):
    midca(base, "backup", "b.tar", "--with-keys", "--passphrase-file", "passphrase")
    marked = r"<!-- executed by tests/acceptance/test_backup_commands.py -->\n```python\n(.*?)```"
    (program,) = re.findall(marked, (HERE / "docs" / "operations.md").read_text(), re.DOTALL)

    # Without a terminal the passphrase is read from standard input.
    done = run(sys.executable, "-c", program, "b.tar", cwd=base, input=f"{PASSPHRASE}\n", start_new_session=True)

    assert done.returncode == 0, done.stderr
    assert (base / "secrets.tar").stat().st_mode & 0o077 == 0
    with tarfile.open(base / "secrets.tar") as secrets:
        pepper = secrets.extractfile("secrets/pepper").read()
    assert pepper == (base / "data" / "secrets" / "pepper").read_bytes()


def test_backup_without_keys_says_so_and_the_restored_ca_waits_for_them(base):
    assert "keep copies of ca/keys and secrets elsewhere" in midca(base, "backup", "create", "b.tar")
    kept = base / "kept"
    (base / "data").rename(kept)

    assert "put ca/keys and secrets in their place" in midca(base, "restore", "b.tar")

    assert "key-passphrase is missing" in midca(base, "init", status=3)
    for name in ("ca/keys", "secrets"):
        shutil.copytree(kept / name, base / "data" / name)
    assert midca(base, "init").startswith("Nothing to do")


def test_wrong_passphrase_and_a_directory_in_use_are_refusals(base):
    midca(base, "backup", "b.tar", "--with-keys", "--passphrase-file", "passphrase")
    (base / "wrong").write_text("another passphrase\n")

    assert "is not empty" in midca(base, "restore", "b.tar", "--passphrase-file", "passphrase", status=1)
    elsewhere = {"MIDCA_DATA": str(base / "elsewhere")}
    told = midca(base, "restore", "b.tar", "--passphrase-file", "wrong", status=1, **elsewhere)
    assert told == "midca: The passphrase does not open the secrets.\n"
    assert "is no backup of midca" in midca(base, "restore", "passphrase", status=1, **elsewhere)
    assert "is no backup of midca" in midca(base, "backup", "verify", "passphrase", status=1)


def test_doctor_warns_with_status_0(base):
    found = json.loads(midca(base, "doctor", "--json"))

    assert list(dict.fromkeys(row["check"] for row in found)) == list(CHECKS)
    assert {row["level"] for row in found} == {"ok", "warning"}
    assert all(row["advice"] for row in found if row["level"] == "warning")
    text = midca(base, "doctor")
    assert "warning  backup: No backup was ever made.\n         → Run midca backup every day" in text


def test_doctor_finds_a_problem_with_status_1(base):
    (base / "data" / "ca" / "keys" / "IOTmidCA.pem").chmod(0o644)

    done = run(MIDCA, "doctor", env=environment(base), cwd=base)

    assert done.returncode == 1
    assert done.stderr == "midca: 2 problems.\n"
    assert "problem  secret files: " in done.stdout
    assert "problem  start: " in done.stdout


def test_doctor_of_nothing_says_so(tmp_path):
    done = run(MIDCA, "doctor", env=environment(tmp_path), cwd=tmp_path)

    assert done.returncode == 1
    assert f"There is no directory {tmp_path / 'data'}." in done.stdout
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("command", [("serve", "--port", "1"), ("backup", "b.tar")])
def test_older_program_on_a_newer_schema_refuses_with_a_sentence(base, command):
    """F24."""
    connection = sqlite3.connect(base / "data" / "midca.sqlite")
    with connection:
        connection.execute("INSERT INTO schema_migrations VALUES ('9999_of_the_future')")
    connection.close()

    told = midca(base, *command, status=3)

    assert "was written by a newer midca (it has 9999_of_the_future)" in told
    assert "Traceback" not in told
