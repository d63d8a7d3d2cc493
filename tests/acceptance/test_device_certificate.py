"""A device's way from registration to its first message, judged by programs that are not ours."""

import json
import subprocess
import sys
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

from tests.acceptance.peers import Holder, enrol, mosquitto
from tests.acceptance.server import RunningServer
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
TOPIC = "/admin/f60c28/attrs"


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory):
    """Enrols end entities as clients do, at a server with the shipped profiles and RSA-4096 CAs."""
    directory = tmp_path_factory.mktemp("enrolment")
    server = RunningServer(directory, shipped=True, oracle=False)
    server.start(wait=False)
    server.wait_until_healthy(120)  # two RSA keys of 4096 bits are made
    try:
        yield lambda name, *options: enrol(server, directory, name, *options)
    finally:
        assert server.stop() == 0


@pytest.fixture(scope="module")
def device(enrolled) -> Holder:
    return enrolled("f60c28")


@pytest.fixture(scope="module")
def broker(enrolled) -> Holder:
    return enrolled("mosca", "-addext", "subjectAltName=DNS:localhost")


@pytest.fixture(scope="module")
def public_broker(enrolled) -> Holder:
    """A broker under a full domain name: the linter takes none of a single label."""
    return enrolled("mqtt", "-addext", "subjectAltName=DNS:mqtt.example.org,IP:192.0.2.1")


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
def running_broker(broker, tmp_path_factory):
    with mosquitto(tmp_path_factory.mktemp("mosquitto"), broker) as running:
        yield running


def test_a_device_publishes_and_subscribes_at_a_broker_with_its_certificate(running_broker, device):
    at = (*running_broker.address, *device.tls)
    publish = (require_tool("mosquitto_pub"), *at, "-t", TOPIC, "-q", "1", "--retain", "-m", "21.5")
    subscribe = (require_tool("mosquitto_sub"), *at, "-t", TOPIC, "-q", "1", "-C", "1", "-W", "10")
    subscriber = subprocess.Popen([str(part) for part in subscribe], stdout=subprocess.PIPE, text=True)

    published = run(*publish, timeout=20)
    received, _ = subscriber.communicate(timeout=20)

    assert published.returncode == 0, published.stderr
    assert received == "21.5\n"


def test_a_broker_refuses_a_client_without_a_certificate(running_broker, device):
    publish = (
        require_tool("mosquitto_pub"),
        *running_broker.address,
        "--cafile",
        device.ca,
        "-t",
        TOPIC,
        "-q",
        "1",
        "-m",
        "0",
    )

    assert run(*publish, timeout=20).returncode != 0


def test_a_broker_refuses_a_certificate_that_a_device_signed(running_broker, device, signed_by_device, tmp_path):
    chain = tmp_path / "chain.pem"
    chain.write_text(signed_by_device.read_text() + device.certificate.read_text())
    tls = ("--cafile", device.ca, "--cert", chain, "--key", signed_by_device.with_suffix(".key"))
    publish = (require_tool("mosquitto_pub"), *running_broker.address, *tls, "-t", TOPIC, "-q", "1", "-m", "0")

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
