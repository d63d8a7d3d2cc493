"""A revocation reaches the broker: mosquitto with the list the server hands out."""

import json
import os
import signal
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.acceptance.peers import enrol, mosquitto
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow


@pytest.fixture
def fetch_list(server, tmp_path):
    """Fetches the list as EJBCA-REST's clients build a PEM of the value, as a file, and in the trust bundle."""
    path = tmp_path / "IOTmidCA.crl"

    def fetch(form: str):
        if form in {"crl", "bundle"}:
            url = f"http://127.0.0.1:{server.port}/pki/IOTmidCA.{form}.pem"
            with urllib.request.urlopen(url, timeout=10) as response:
                path.write_bytes(response.read())
        else:
            value = server.get("/ca/IOTmidCA/crl").body["CRL"]
            broken = "".join(f"{value[at : at + 64]}\n" for at in range(0, len(value), 64))
            path.write_text(f"-----BEGIN X509 CRL-----\n{broken}-----END X509 CRL-----\n")
        return path

    return fetch


@pytest.mark.parametrize("form", ["value", "crl", "bundle"])
def test_a_revoked_device_is_refused_after_the_broker_read_the_new_list(server, tmp_path, fetch_list, form):
    broker = enrol(server, tmp_path, "mosca", "-addext", "subjectAltName=DNS:localhost")
    lost, other = enrol(server, tmp_path, "lost"), enrol(server, tmp_path, "other")
    with mosquitto(tmp_path, broker, f"crlfile {fetch_list(form)}") as running:
        assert running.accepts(lost), "an empty list locks nobody out"

        revoke(server, "lost")
        wait_for_entry(server, fetch_list)
        fetch_list(form)
        running.reload()

        assert not running.accepts(lost)
        assert running.accepts(other)


def test_a_revocation_is_soon_on_the_list_without_a_request_for_it(server, tmp_path, fetch_list):
    """How soon, `make bench` measures: on an idle machine within two seconds."""
    enrol(server, tmp_path, "lost")
    revoke(server, "lost")
    wait_for_entry(server, fetch_list)


def test_gnutls_openssl_and_pkilint_accept_the_list(server, tmp_path, fetch_list):
    holder = enrol(server, tmp_path, "lost")
    revoke(server, "lost")
    wait_for_entry(server, fetch_list)
    crl = fetch_list("crl")

    by_openssl = run(require_tool("openssl"), "crl", "-in", crl, "-CAfile", holder.ca, "-noout")
    assert "verify OK" in by_openssl.stderr
    by_gnutls = run(require_tool("certtool"), "--verify-crl", "--load-ca-certificate", holder.ca, "--infile", crl)
    assert by_gnutls.returncode == 0, by_gnutls.stdout + by_gnutls.stderr
    linter = Path(sys.executable).parent / "lint_crl"
    options = ("--type", "CRL", "--profile", "PKIX", "--severity", "WARNING", "--format", "JSON")
    assert json.loads(run(linter, "lint", *options, crl).stdout) == {"results": []}


def test_lists_go_on_after_every_worker_and_the_upkeep_were_killed(server, tmp_path, fetch_list):
    enrol(server, tmp_path, "lost")
    for process in [*server.workers(), *server.beside("does the upkeep")]:
        os.kill(process, signal.SIGKILL)
    server.wait_until_healthy()
    revoke(server, "lost")
    wait_for_entry(server, fetch_list)


def revoke(server, name: str) -> None:
    assert server.delete(f"/user/{name}").status == 200


def wait_for_entry(server, fetch_list) -> None:
    deadline = time.monotonic() + 60
    while b"Serial Number" not in dump(fetch_list("crl")):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)


def dump(crl) -> bytes:
    return run(require_tool("openssl"), "crl", "-in", crl, "-noout", "-text").stdout.encode()
