"""EST as docs/est.md has it: curl and strongSwan against a real server that speaks TLS."""

import re
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.server import RunningServer
from tests.acceptance.tls import give_tls
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
DOCUMENT = Path(__file__).parents[2] / "docs" / "est.md"
PASSWORD = "one-time-secret"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RunningServer(tmp_path_factory.mktemp("est"), workers=1)
    give_tls(running)
    running.environment["MIDCA_REENROL"] = "always"
    with running:
        yield running
    assert "Traceback" not in running.log
    assert PASSWORD not in running.log


@pytest.fixture
def documented(server, tmp_path):
    """Runs the commands of a section in a directory of its own, and returns it."""
    (tmp_path / "ca.pem").write_text((server.base / "ca.pem").read_text())
    text = DOCUMENT.read_text().replace("ca.example.org:5583", f"localhost:{server.port}")

    def execute(section: str) -> Path:
        (body,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
        blocks = re.findall(r"test_est.py -->\n```sh\n(.*?)```", body, re.DOTALL)
        assert len(blocks) == 2
        for commands in blocks:
            done = run("bash", "-c", f"set -euo pipefail\n{commands}", cwd=tmp_path)
            assert done.returncode == 0, done.stderr
        return tmp_path

    return execute


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verify(folder: Path, *names: str) -> None:
    done = run("openssl", "verify", "-CAfile", folder / "ca.pem", *(folder / name for name in names))
    assert done.returncode == 0, done.stdout + done.stderr


def test_curl_and_openssl_enrol_and_renew(server, documented):
    require_tool("curl")
    server.register("f60c28", PASSWORD)

    folder = documented("With curl and openssl")

    assert set(x509.load_pem_x509_certificates((folder / "cas.pem").read_bytes())) == set(
        x509.load_pem_x509_certificates((folder / "ca.pem").read_bytes())
    )
    verify(folder, "f60c28.crt", "new.crt")
    assert read(folder / "new.crt").public_key() != read(folder / "f60c28.crt").public_key()


def test_strongswan_enrols_and_renews(server, documented):
    require_tool("pki")
    server.register("gateway", PASSWORD)

    folder = documented("With strongSwan")

    verify(folder, "gateway.crt", "next.crt")
    assert read(folder / "next.crt").public_key() != read(folder / "gateway.crt").public_key()
