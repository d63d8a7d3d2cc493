"""``wsgi.py`` under a server that knows nothing of midca."""

import json
import sys
import time
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography import x509

from tests.acceptance.server import RunningServer
from tests.builders import csr, one_line

CHECKOUT = Path(__file__).parents[2]


class Gunicorn(RunningServer):
    def command(self) -> list[str | Path]:
        bind = f"127.0.0.1:{self.port}"
        options = ("--no-control-socket", "--chdir", CHECKOUT, "--bind", bind)
        return [sys.executable, "-m", "gunicorn", *options, "wsgi:application"]


@pytest.mark.slow
def test_another_wsgi_server_issues_revokes_and_logs(tmp_path):
    with Gunicorn(tmp_path, oracle=False) as server:
        assert server.register("f60c28").status == 200
        assert server.sign("f60c28", one_line(csr())).status == 200
        assert server.delete("/user/f60c28").status == 200

        deadline = time.monotonic() + 60
        while not revoked(server):
            assert time.monotonic() < deadline, "nobody issues a list, though a certificate was revoked"
            time.sleep(0.1)

        logged = [json.loads(line) for line in server.log.splitlines() if line.startswith("{")]
        assert {"/user", "/sign/f60c28/pkcs10"} <= {line.get("path") for line in logged}


def revoked(server: RunningServer) -> int:
    return len(x509.load_der_x509_crl(b64decode(server.get("/ca/IOTmidCA/crl").body["CRL"])))
