"""EST as docs/est.md has it: curl and strongSwan against a real server that speaks TLS."""

import base64
import http.client
import random
import re
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs7
from cryptography.x509.oid import AttributeOID

from tests.acceptance.server import NO_ANSWER, RunningServer
from tests.acceptance.tls import give_tls
from tests.builders import csr, key, one_line
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
    running.verify_audit_log()
    running.check_signed_is_recorded()


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


class Device:
    """A device that has enrolled by EST, with the key of that number."""

    def __init__(self, server, name: str, number: int) -> None:
        self.server, self.name = server, name
        self.context = ssl.create_default_context(cafile=server.base / "ca.pem")
        server.register(name, PASSWORD)
        credentials = base64.b64encode(f"{name}:{PASSWORD}".encode()).decode()
        status, body = self.ask("simpleenroll", number, Authorization=f"Basic {credentials}")
        assert status == 200, body
        (certificate,) = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        shown = server.base / f"{name}.pem"
        private = key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        shown.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        self.context.load_cert_chain(shown)

    def ask(self, operation: str, number: int, link=None, **headers: str) -> tuple[int, bytes]:
        """Return status and body of an answer; ``link`` makes the request's challengePassword of the tls-unique."""
        connection = http.client.HTTPSConnection("localhost", self.server.port, context=self.context, timeout=30)
        with closing(connection):
            request = csr(self.name, signing_key=key(number))
            if link is not None:
                connection.connect()
                linked = x509.CertificateSigningRequestBuilder().subject_name(request.subject)
                password = link(connection.sock.get_channel_binding("tls-unique"))
                linked = linked.add_attribute(AttributeOID.CHALLENGE_PASSWORD, password)
                request = linked.sign(key(number), hashes.SHA256())
            headers["Content-Type"] = "application/pkcs10"
            connection.request("POST", f"/.well-known/est/{operation}", one_line(request), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()


@pytest.mark.parametrize(("version", "number"), [(ssl.TLSVersion.TLSv1_2, 110), (ssl.TLSVersion.TLSv1_3, 120)])
def test_request_may_be_linked_to_its_session_and_to_no_other(server, version, number):
    device = Device(server, f"linked-{version.name}", number)
    device.context.maximum_version = device.context.minimum_version = version

    assert device.ask("simplereenroll", number + 1, base64.b64encode)[0] == 200
    for other in (lambda unique: base64.b64encode(unique[::-1]), lambda unique: unique.hex().encode(), lambda _: b"x"):
        status, body = device.ask("simplereenroll", number + 2, other)
        assert (status, b"tls-unique" in body) == (400, True)


def test_nothing_that_is_renewed_is_good_once_its_revocation_was_acknowledged(server):
    rounds, at_once = 4, 3
    for number in range(0, rounds * (at_once + 1), at_once + 1):
        device = Device(server, f"revoked-{number}", number)
        new_keys = range(number + 1, number + 1 + at_once)
        for each in new_keys:
            key(each)  # made before, or the revocation comes first

        with ThreadPoolExecutor(at_once) as pool:
            renewals = [pool.submit(device.ask, "simplereenroll", each) for each in new_keys]
            assert server.delete(f"/user/{device.name}").status == 200

            good = server.sql("SELECT * FROM certificates WHERE username = ? AND revocation_reason = -1", device.name)
            assert good == []
        assert {renewal.result()[0] for renewal in renewals} <= {200, 400, 401}
        assert server.sql("SELECT * FROM certificates WHERE username = ? AND revocation_reason = -1", device.name) == []
        assert device.ask("simplereenroll", new_keys[0])[0] == 401


def test_renewal_that_was_killed_is_settled_and_answered_to_the_same_request(server):
    device = Device(server, "killed", 100)
    for number in range(101, 107):
        key(number)
        with ThreadPoolExecutor(1) as pool:
            renewal = pool.submit(device.ask, "simplereenroll", number)
            time.sleep(random.uniform(0, 0.03))  # about as long as it takes
            server.kill()
            assert isinstance(renewal.exception(), NO_ANSWER) or renewal.result()[0] == 200
        server.start()

        assert device.ask("simplereenroll", number)[0] == 200
        assert server.sql("SELECT 1 FROM certificates WHERE state = 'pending'") == []
