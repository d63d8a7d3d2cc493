"""The commands of docs/keys.md are executed in their order, with only the directory of the medium changed."""

import re
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.server import MIDCA, RunningServer
from tests.builders import wrapped
from tests.conftest import require_tool, run
from tests.offline import FAST, profiles_directory

DOCUMENT = (Path(__file__).parents[2] / "docs" / "keys.md").read_text()
BLOCK = r"<!-- executed by tests/acceptance/test_keys_documentation.py: (\w+) -->\n```sh\n(.*?)```"
BLOCKS = dict(re.findall(BLOCK, DOCUMENT, re.DOTALL))


def execute(server: RunningServer, name: str) -> str:
    script = f"set -eu\nPATH={MIDCA.parent}:$PATH\n{BLOCKS[name]}".replace("/media/root", str(server.base / "medium"))
    done = run(require_tool("bash"), "-c", script, env=server.environment, cwd=server.base, input="y\ny\n")
    assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def served(server: RunningServer) -> x509.Certificate:
    chain = wrapped(server.get("/ca/IOTmidCA").body["certificate"]).encode()
    return x509.load_pem_x509_certificate(chain)


@pytest.mark.slow
def test_life_of_an_installation_with_an_offline_root_as_it_is_documented(tmp_path):
    profiles_directory(tmp_path / "profiles", hierarchy=FAST)
    server = RunningServer(tmp_path, oracle=False, workers=2)
    assert set(BLOCKS) == {"init", "crl", "responder", "renewal", "passphrase", "pepper", "stolen"}
    assert "lock both away" in execute(server, "init")
    secrets = {(tmp_path / "medium" / "key-passphrase").read_text().strip()}
    with server:
        before = served(server)
        told = "".join(execute(server, name) for name in ("crl", "responder", "renewal"))
        assert "Is that what the server showed" in told
        assert "IOTrootCA OCSP" in told
        certificate = x509.load_pem_x509_certificate((tmp_path / "IOTmidCA.pem").read_bytes())
        server.wait_for(lambda: served(server) == certificate != before)
        for name in ("passphrase", "pepper"):
            secrets |= {path.read_text().strip() for path in (server.data / "secrets").glob("[kp]*")}
            told += execute(server, name)
        secrets |= {path.read_text().strip() for path in (server.data / "secrets").glob("[kp]*")}
        assert server.get("/ready").status == 200
        told += execute(server, "stolen")
        assert "was revoked by its issuer" in server.get("/ready").body["checks"]["keys"]
        server.verify_audit_log()
        told += server.log
    assert len(secrets) == 5  # passphrase and pepper before and after, and the medium's passphrase
    assert [secret for secret in secrets if secret in told] == []
    database = server.database.read_bytes()
    assert [secret for secret in secrets if secret.encode() in database] == []
    assert "PRIVATE KEY" not in told
