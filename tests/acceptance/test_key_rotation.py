"""Secrets change under a running server and survive SIGKILL; key files change under it and it signs on."""

import base64
import threading
import urllib.request
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.ocsp import OCSPCertStatus

from app.files.private_keys import PrivateKeys
from tests import ocsp
from tests.acceptance.server import MIDCA, RunningServer
from tests.builders import csr, one_line, wrapped
from tests.conftest import run

pytestmark = pytest.mark.slow

KILLED = """
import os, signal, sys
from app import command
real, calls = os.replace, []

def replace(*arguments):
    real(*arguments)
    calls.append(arguments)
    if len(calls) == {number}:
        os.kill(os.getpid(), signal.SIGKILL)

os.replace = replace
sys.argv = ["midca", "keys", "rotate-passphrase"]
command.main()
"""


def midca(server: RunningServer, *arguments: str, status: int = 0) -> str:
    done = run(MIDCA, *arguments, env=server.environment, cwd=server.base)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def passphrase(server: RunningServer) -> bytes:
    return (server.data / "secrets" / "key-passphrase").read_bytes()


def enrol(server: RunningServer, name: str) -> x509.Certificate:
    request = one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1())))
    assert server.register(name).status == 200
    answer = server.sign(name, request)
    assert answer.status == 200, answer
    return x509.load_pem_x509_certificate(wrapped(answer.certificate).encode())


def ocsp_status(server: RunningServer, certificate: x509.Certificate) -> OCSPCertStatus:
    issuer = x509.load_pem_x509_certificate((server.data / "ca" / "certificates" / "IOTmidCA.pem").read_bytes())
    asked = ocsp.request(issuer, certificate.serial_number)
    with urllib.request.urlopen(
        server._url(f"/ocsp/{quote(base64.b64encode(asked), safe='')}"), timeout=30
    ) as response:
        return ocsp.load(response.read()).certificate_status


def test_clients_of_a_running_server_notice_nothing_of_a_rotation(fast_server):
    with fast_server as server:
        assert server.register("before").status == 200
        over, enrolled, failed = threading.Event(), [], []

        def client() -> None:
            while not over.is_set():
                try:
                    enrolled.append(enrol(server, f"device{len(enrolled)}"))
                except Exception as error:  # noqa: BLE001 -- it is what the test looks for
                    failed.append(error)

        thread = threading.Thread(target=client)
        thread.start()
        old = passphrase(server)
        for command in ("rotate-passphrase", "rotate-pepper", "rotate-passphrase"):
            midca(server, "keys", command)
        over.set()
        thread.join()
        assert failed == []
        assert enrolled
        assert passphrase(server) not in {old, b""}
        for _ in range(6):  # whichever worker
            assert ocsp_status(server, enrolled[0]) is OCSPCertStatus.GOOD
        assert server.sign("before", one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1())))).status == 200
        assert "made anew" not in server.log
    with server:
        enrol(server, "after")
        assert server.verify_audit_log()["counts"] == {}


def test_rotation_that_was_killed_leaves_a_ca_that_starts(fast_server):
    with fast_server as server:
        before = passphrase(server)
        for life, number in enumerate((1, 4, 4)):  # the passphrase is written; half of the keys are; all of them
            done = run(
                MIDCA.with_name("python"), "-c", KILLED.format(number=number), env=server.environment, cwd=server.base
            )
            assert done.returncode == -9, done.stdout + done.stderr
            enrol(server, f"device{life}")
    with server:
        assert "old passphrase" not in midca(server, "keys", "list")
        enrol(server, "after")
    assert passphrase(server) != before


def test_key_file_that_changes_under_a_running_server_changes_nothing_about_what_it_signs_with(fast_server):
    """F17: replaced while running, unreadable at signing time."""
    with fast_server as server:
        path = server.data / "ca" / "keys" / "IOTmidCA.pem"
        issuer = x509.load_pem_x509_certificate((server.data / "ca" / "certificates" / "IOTmidCA.pem").read_bytes())
        kept = path.read_bytes()
        other = PrivateKeys(lambda: (passphrase(server).strip(),)).seal(ec.generate_private_key(ec.SECP256R1()))
        path.write_bytes(other)
        enrol(server, "one").verify_directly_issued_by(issuer)
        assert "does not fit its certificate" in midca(server, "ca", "list", status=3)
        midca(server, "reload")
        server.wait_for(lambda: "the CAs stay as they were" in server.log)
        enrol(server, "two").verify_directly_issued_by(issuer)

        path.unlink()
        enrol(server, "three").verify_directly_issued_by(issuer)
        assert "does not hold its key" in midca(server, "keys", "list", status=3)

        path.write_bytes(kept)
        path.chmod(0o600)
        midca(server, "keys", "list")
