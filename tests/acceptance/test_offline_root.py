"""The ceremony as two machines hold it, by the commands an operator types."""

import json
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.server import MIDCA, environment
from tests.builders import profiles_directory
from tests.conftest import run
from tests.offline import FAST
from tests.oracle_net import NET

pytestmark = pytest.mark.slow

# Tells of every file that is opened to be written, by the interpreter's own audit events.
WATCHED = """
import json, os, sys
opened = []
def hook(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if flags is not None and flags & (os.O_WRONLY | os.O_RDWR):
            opened.append(os.path.abspath(os.fsdecode(path)) if not isinstance(path, int) else path)
sys.addaudithook(hook)
from app import command
report = sys.argv.pop(1)
try:
    command.main()
finally:
    with open(report, "w") as file:
        json.dump(opened[:-1] if opened and opened[-1] == report else opened, file)
"""


class Machine:
    """One that has midca, the hierarchy file, and perhaps a data directory."""

    def __init__(self, base: Path, name: str) -> None:
        self.home = base / name
        self.home.mkdir()
        self.base = base
        self.environment = environment(base) | {"MIDCA_DATA": str(self.home / "data")}

    def __call__(self, *arguments: str | Path, status: int = 0, answer: str = "", umask: int = 0o022) -> str:
        done = run(MIDCA, *arguments, env=self.environment, cwd=self.base, input=answer, umask=umask)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr


@pytest.fixture
def server(tmp_path) -> Machine:
    profiles_directory(tmp_path / "profiles", hierarchy=FAST)
    return Machine(tmp_path, "server")


@pytest.fixture
def other(tmp_path) -> Machine:
    return Machine(tmp_path, "other")


def test_nothing_that_is_written_on_the_server_ever_holds_the_roots_key(server, tmp_path):
    server.environment.pop(NET)  # it writes files of its own
    report = tmp_path / "report"
    done = run(
        sys.executable, "-c", WATCHED, report, "init", "--root-out", tmp_path / "medium",
        env=server.environment, cwd=tmp_path, umask=0,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    written = [Path(path) for path in json.loads(report.read_text()) if isinstance(path, str)]

    data, medium = server.home / "data", tmp_path / "medium"
    elsewhere = [path for path in written if data not in path.parents and medium not in path.parents]
    assert [path for path in elsewhere if path.parts[1] not in {"dev", "proc"} and path != report] == []
    keys = {path.name.lstrip(".").partition(".pem")[0] for path in written if path.parent == data / "ca" / "keys"}
    assert keys == {"IOTmidCA"}
    assert any(path.parent == medium / "keys" for path in written)
    open_to_others = [path for path in data.rglob("*") if path.stat().st_mode & 0o077]
    assert {path.parent.name for path in open_to_others} <= {"data", "ca", "certificates"}
    assert [path for path in open_to_others if path.is_file() and path.parent.name != "certificates"] == []
    assert {path.name for path in (medium / "keys").iterdir()} == {"IOTrootCA.pem"}


def test_two_machines_renew_a_ca_and_a_list(server, other, tmp_path):
    medium, passphrase = tmp_path / "medium", tmp_path / "elsewhere" / "passphrase"
    server("init", "--root-out", medium, "--root-passphrase-file", passphrase, "--operator", "Ada Lovelace")
    assert not (medium / "key-passphrase").exists()
    (tmp_path / "mid.csr").write_text(server("ca", "request", "IOTmidCA"))
    ceremony = ("ceremony", "sign", "mid.csr", "--root", medium, "--out", "mid.pem")

    assert "key-passphrase is missing" in other(*ceremony, status=3)
    ceremony = (*ceremony, "--passphrase-file", passphrase)
    assert "Nothing was signed." in other(*ceremony, answer="n\n", status=1)
    assert not (tmp_path / "mid.pem").exists()
    other(*ceremony, answer="y\n")
    other("ceremony", "crl", "--root", medium, "--passphrase-file", passphrase, "--out", "list.pem", "--days", "30")

    assert not (other.home / "data").exists()
    assert "is good until" in server("ca", "import", "IOTmidCA", "mid.pem")
    assert "until" in server("crl", "import", "list.pem")
    shown = json.loads(server("ca", "show", "IOTmidCA", "--json"))
    assert int(shown["serial"], 16) == x509.load_pem_x509_certificate((tmp_path / "mid.pem").read_bytes()).serial_number
    states = {row["key"]: row["state"] for row in json.loads(server("keys", "list", "--json"))}
    assert states["CA IOTrootCA"] == "offline"
    assert states["CA IOTmidCA"] == "good"
    records = "".join(path.read_text() for path in (medium / "records").iterdir())
    assert "Ada Lovelace" in records


def test_ceremony_says_in_a_sentence_what_is_wrong(server, other, tmp_path):
    server("init", "--root-out", tmp_path / "medium")
    root = ("--root", tmp_path / "medium")
    (tmp_path / "junk").write_text("junk")

    assert "is no certificate in PEM" in other("ceremony", "crl", *root, "--revoke", "junk", status=1)
    assert "is no reason to revoke a CA" in other("ceremony", "crl", *root, "--reason", "CERTIFICATEHOLD", status=1)
    assert "What was signed is on the medium" in other("ceremony", "crl", *root, "--out", "none/list.pem", status=1)
    assert "goes with --root-out" in server("init", "--root-passphrase-file", "none", status=2)
    assert "lies in the data directory" in server("init", "--root-out", server.home / "data" / "usb", status=3)
