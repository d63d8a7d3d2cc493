"""A device's way from registration to its first message, judged by programs that are not ours."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.verification import (
    Criticality,
    ExtensionPolicy,
    PolicyBuilder,
    Store,
    VerificationError,
)

from tests.acceptance.server import RunningServer, free_port
from tests.builders import wrapped
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
TOPIC = "/admin/f60c28/attrs"


@dataclass(frozen=True)
class Holder:
    """Someone with a certificate: its files, and the CA file the server handed out."""

    key: Path
    certificate: Path
    ca: Path


@pytest.fixture(scope="module")
def enrol(tmp_path_factory):
    """Enrols end entities as clients do, at a server with the shipped profiles and RSA-4096 CAs."""
    directory = tmp_path_factory.mktemp("enrolment")
    openssl = require_tool("openssl")

    def enrol_one(server: RunningServer, name: str, *options: str) -> Holder:
        key, request, certificate, ca = (directory / f"{name}.{suffix}" for suffix in ("key", "csr", "crt", "ca.crt"))
        assert server.register(name, "dojot").status == 200
        new_key = ("-newkey", "rsa:2048", "-nodes", "-keyout", key)
        made = run(openssl, "req", "-new", *new_key, "-subj", f"/CN={name}", "-out", request, *options)
        assert made.returncode == 0, made.stderr
        one_line = "".join(request.read_text().splitlines()[1:-1])
        answer = server.sign(name, one_line, "dojot")
        assert answer.status == 200, answer
        certificate.write_text(wrapped(answer.certificate))
        ca.write_text(wrapped(server.get("/ca/IOTmidCA").body["certificate"]))
        return Holder(key, certificate, ca)

    server = RunningServer(directory, shipped=True, oracle=False)
    server.start(wait=False)
    server.wait_until_healthy(120)  # two RSA keys of 4096 bits are made
    try:
        yield lambda name, *options: enrol_one(server, name, *options)
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def device(enrol) -> Holder:
    return enrol("f60c28")


@pytest.fixture(scope="module")
def broker(enrol) -> Holder:
    return enrol("mosca", "-addext", "subjectAltName=DNS:localhost")


@pytest.fixture(scope="module")
def public_broker(enrol) -> Holder:
    """A broker under a full domain name: the linter takes none of a single label."""
    return enrol("mqtt", "-addext", "subjectAltName=DNS:mqtt.example.org,IP:192.0.2.1")


@pytest.fixture(scope="module")
def signed_by_device(device) -> Path:
    """A certificate that the device's key signed, which nobody may accept: the device is no CA."""
    openssl, directory = require_tool("openssl"), device.key.parent
    key, request, certificate = (directory / f"below-device.{suffix}" for suffix in ("key", "csr", "crt"))
    run(openssl, "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-subj", "/CN=below", "-out", request)
    signer = ("-CA", device.certificate, "-CAkey", device.key)
    made = run(openssl, "x509", "-req", "-in", request, *signer, "-days", "10", "-out", certificate)
    assert made.returncode == 0, made.stderr
    return certificate


def test_the_certificate_carries_the_registered_name_and_lives_two_years(device):
    (certificate,) = certificates(device.certificate)

    assert certificate.subject.rfc4514_string() == "CN=f60c28"
    assert certificate.issuer.rfc4514_string() == "C=SE,O=EJBCA IOT,CN=IOTmidCA"
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 730


def test_openssl_verifies_the_certificate_strictly(device):
    done = run(require_tool("openssl"), "verify", "-x509_strict", "-CAfile", device.ca, device.certificate)

    assert done.returncode == 0, done.stderr


def test_gnutls_verifies_the_certificate(device):
    done = run(*certtool_verify(device), "--infile", device.certificate)

    assert done.returncode == 0, done.stdout + done.stderr


def test_cryptography_verifies_the_device_as_a_client(device):
    mid, root = certificates(device.ca)

    verified = client_verifier(root).verify(certificates(device.certificate)[0], [mid])

    assert verified.chain[-1] == root


def test_cryptography_verifies_the_broker_by_its_host_name_with_its_default_policy(broker):
    mid, root = certificates(broker.ca)
    verifier = PolicyBuilder().store(Store([root])).build_server_verifier(x509.DNSName("localhost"))

    assert len(verifier.verify(certificates(broker.certificate)[0], [mid])) == 3


@pytest.mark.parametrize("position", [0, 1], ids=["IOTmidCA", "IOTrootCA"])
def test_pkilint_finds_no_error_in_the_certificate_of(position, device, tmp_path):
    pem = tmp_path / "ca.pem"
    pem.write_bytes(certificates(device.ca)[position].public_bytes(Encoding.PEM))

    assert lint_errors(pem) == []


def test_pkilint_finds_no_error_in_a_devices_certificate(device):
    assert lint_errors(device.certificate) == []


def test_pkilint_finds_no_error_in_a_brokers_certificate(public_broker):
    assert lint_errors(public_broker.certificate) == []


def test_openssl_refuses_what_a_device_signed(device, signed_by_device):
    openssl = require_tool("openssl")
    done = run(openssl, "verify", "-CAfile", device.ca, "-untrusted", device.certificate, signed_by_device)

    assert done.returncode != 0
    assert "invalid CA certificate" in done.stdout + done.stderr


def test_gnutls_refuses_what_a_device_signed(device, signed_by_device, tmp_path):
    chain = tmp_path / "chain.pem"
    chain.write_text(signed_by_device.read_text() + device.certificate.read_text())

    assert run(*certtool_verify(device), "--infile", chain).returncode != 0


def test_cryptography_refuses_what_a_device_signed(device, signed_by_device):
    mid, root = certificates(device.ca)

    with pytest.raises(VerificationError):
        client_verifier(root).verify(certificates(signed_by_device)[0], [*certificates(device.certificate), mid])


@pytest.fixture(scope="module")
def mosquitto(broker, tmp_path_factory):
    """A broker that lets in who has a certificate of our CA, and only to the topic of the name in it."""
    directory = tmp_path_factory.mktemp("mosquitto")
    port = free_port()
    (directory / "acl").write_text("pattern readwrite /admin/%u/attrs\n")
    (directory / "mosquitto.conf").write_text(
        f"user root\nlistener {port} 127.0.0.1\nacl_file {directory / 'acl'}\n"
        f"cafile {broker.ca}\ncertfile {broker.certificate}\nkeyfile {broker.key}\n"
        "require_certificate true\nuse_identity_as_username true\n"
    )
    command = [require_tool("mosquitto"), "-c", directory / "mosquitto.conf"]
    log_file = directory / "log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    deadline = time.monotonic() + 10
    while f" on port {port}" not in log_file.read_text():
        assert process.poll() is None, log_file.read_text()
        assert time.monotonic() < deadline, log_file.read_text()
        time.sleep(0.02)
    try:
        yield ("-h", "localhost", "-p", str(port))
    finally:
        process.terminate()
        process.wait(10)


def test_a_device_publishes_and_subscribes_at_a_broker_with_its_certificate(mosquitto, device):
    tls = ("--cafile", device.ca, "--cert", device.certificate, "--key", device.key)
    publish = (require_tool("mosquitto_pub"), *mosquitto, *tls, "-t", TOPIC, "-q", "1", "--retain", "-m", "21.5")
    subscribe = (require_tool("mosquitto_sub"), *mosquitto, *tls, "-t", TOPIC, "-q", "1", "-C", "1", "-W", "10")
    subscriber = subprocess.Popen([str(part) for part in subscribe], stdout=subprocess.PIPE, text=True)

    published = run(*publish, timeout=20)
    received, _ = subscriber.communicate(timeout=20)

    assert published.returncode == 0, published.stderr
    assert received == "21.5\n"


def test_a_broker_refuses_a_client_without_a_certificate(mosquitto, device):
    publish = (require_tool("mosquitto_pub"), *mosquitto, "--cafile", device.ca, "-t", TOPIC, "-q", "1", "-m", "0")

    assert run(*publish, timeout=20).returncode != 0


def test_a_broker_refuses_a_certificate_that_a_device_signed(mosquitto, device, signed_by_device, tmp_path):
    chain = tmp_path / "chain.pem"
    chain.write_text(signed_by_device.read_text() + device.certificate.read_text())
    tls = ("--cafile", device.ca, "--cert", chain, "--key", signed_by_device.with_suffix(".key"))
    publish = (require_tool("mosquitto_pub"), *mosquitto, *tls, "-t", TOPIC, "-q", "1", "-m", "0")

    assert run(*publish, timeout=20).returncode != 0


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def certtool_verify(holder: Holder) -> tuple[str | Path, ...]:
    return (require_tool("certtool"), "--verify", "--load-ca-certificate", holder.ca)


def client_verifier(root: x509.Certificate):
    """The verifier's default policy is the web's, which wants an alternative name; a device's name is its subject."""
    policy = ExtensionPolicy.webpki_defaults_ee().may_be_present(
        x509.SubjectAlternativeName, Criticality.AGNOSTIC, None
    )
    builder = PolicyBuilder().store(Store([root]))
    return builder.extension_policies(
        ca_policy=ExtensionPolicy.webpki_defaults_ca(), ee_policy=policy
    ).build_client_verifier()


def lint_errors(certificate: Path) -> list[str]:
    """What pkilint's linter for RFC 5280 finds that is an error or worse."""
    linter = Path(sys.executable).parent / "lint_pkix_cert"
    done = run(linter, "lint", "--severity", "ERROR", "--format", "JSON", certificate)
    results = json.loads(done.stdout)["results"]
    return [found["code"] for result in results for found in result["finding_descriptions"]]
