"""`midca retrieve` against a real midca behind a stand-in for dojot's gateway."""

import json
import shlex
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.client.command import retrieve
from app.client.files import sole_user
from tests.acceptance.peers import enrol, mosquitto
from tests.acceptance.retriever import CA, CRL, SMALL_KEYS, files_of
from tests.acceptance.server import MIDCA, environment
from tests.conftest import require_tool, run
from tests.gateway import PASSWORD, USER, Gateway, tls_certificate, token

pytestmark = pytest.mark.slow


# ---------------------------------------------------------------------------------------------------------- one device


def test_a_device_publishes_with_what_a_user_of_dojot_retrieved_for_it(shared_server, device, tmp_path):
    openssl, _, bash = require_tool("openssl"), require_tool("mosquitto_pub"), require_tool("bash")
    own = environment(shared_server.base) | {"DOJOT_PASSWORD": PASSWORD}
    https = tls_certificate(tmp_path / "gateway.pem")
    broker = enrol(shared_server, tmp_path, "mosca", "-addext", "subjectAltName=DNS:localhost")
    with Gateway(shared_server.port, certificate=https) as gateway, mosquitto(tmp_path, broker) as running:
        options = ("-u", USER, "--https-ca", https, "--broker", f"localhost:{running.port}", "-d", "device.example")
        done = run(MIDCA, "retrieve", gateway.url, device, "IOTmidCA", *options, env=own, cwd=tmp_path, umask=0)
        assert done.returncode == 0, done.stdout + done.stderr
        assert gateway.asked == ["/auth", CA, CRL, f"/sign/{device}/pkcs10"]

        line = done.stdout.splitlines()[-1]
        published = run(bash, "-c", line, cwd=tmp_path, timeout=20)

    certs = tmp_path / "certs"
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in certs.iterdir()}
    verify = (openssl, "verify", "-x509_strict", "-crl_check", "-CAfile", certs / "IOTmidCA.crt")
    verified = run(*verify, "-CRLfile", certs / "IOTmidCA.crl", certs / f"{device}.crt")
    assert shlex.split(line)[0] == "mosquitto_pub"
    assert published.returncode == 0, published.stderr
    assert set(modes) == files_of(device)
    assert modes.pop(f"{device}.key") == 0o600
    assert set(modes.values()) == {0o644}
    assert stat.S_IMODE(certs.stat().st_mode) == 0o700
    assert verified.returncode == 0, verified.stderr


def test_names_and_addresses_of_the_device_are_in_its_certificate(retriever, device):
    retriever(device, "-d", "a.example", "-d", "b.example", "-i", "192.0.2.1", "-i", "2001:db8::1")

    names = retriever.certificate(device).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["192.0.2.1", "2001:db8::1"]


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (("-k", "3072"), rsa.RSAPrivateKey),
        (("--key-type", "p256"), ec.EllipticCurvePrivateKey),
        (("--key-type", "ed25519"), ed25519.Ed25519PrivateKey),
    ],
    ids=["RSA", "P-256", "Ed25519"],
)
def test_a_key_is_of_the_kind_that_is_asked_for(options, kind, retriever, new_device):
    profile = {} if kind is rsa.RSAPrivateKey else SMALL_KEYS
    device = new_device(**profile)

    retriever(device, *options)

    key = retriever.key(device)
    assert isinstance(key, kind)
    assert not isinstance(key, rsa.RSAPrivateKey) or key.key_size == 3072
    assert retriever.certificate(device).public_key() == key.public_key()


def test_the_chain_is_what_a_client_sends_in_tls(retriever, device):
    retriever(device)

    chain = x509.load_pem_x509_certificates((retriever.folder / f"{device}-chain.crt").read_bytes())
    assert [certificate.subject.rfc4514_string() for certificate in chain] == [
        f"CN={device}",
        "C=SE,O=EJBCA IOT,CN=IOTmidCA",
    ]


def test_json_names_the_files_and_the_line_to_try(retriever, device):
    told = json.loads(retriever(device, "--json").stdout)

    assert told["result"] == "retrieved"
    assert told["serial"] == f"{retriever.certificate(device).serial_number:X}"
    assert {Path(told[name]).name for name in ("key", "request", "certificate", "chain", "ca", "crl")} == files_of(
        device
    )
    assert told["mosquitto_pub"].startswith("mosquitto_pub -h localhost -p 8883 ")


def test_dojot_0_5_calls_the_device_by_its_tenant_too(shared_server, retriever, new_device):
    device = new_device()
    assert shared_server.register(f"admin:{device}", "dojot").status == 200

    told = retriever(device, "--with-tenant").stdout

    assert retriever.certificate(f"admin:{device}").subject.rfc4514_string() == f"CN=admin:{device}"
    assert f"-i admin:{device} -t admin:{device}/attrs" in told


def test_a_tenant_cannot_lead_out_of_the_directory(retriever, device, tmp_path):
    (tmp_path / "token").write_text(token(service="../../x"))

    said = retriever.fails(device, "--with-tenant", "--token-file", tmp_path / "token")

    assert f"'../../x:{device}' cannot be the name of a file" in said


def test_a_midca_without_gateway_is_asked_without_a_log_in(shared_server, retriever, gateway, device):
    retriever(device, "--no-login", url=f"http://127.0.0.1:{shared_server.port}")

    assert retriever.written() == files_of(device)
    assert gateway.asked == []


def test_a_token_takes_the_place_of_user_and_password(retriever, gateway, device, tmp_path):
    (tmp_path / "token").write_text(token() + "\n")

    retriever(device, "--token-file", tmp_path / "token")

    assert "/auth" not in gateway.asked


@pytest.mark.parametrize("where", ["file", "environment"])
def test_the_device_has_a_password_of_its_own(where, retriever, new_device, tmp_path, monkeypatch):
    device = new_device(password="sesame")
    (tmp_path / "password").write_text("sesame\n")
    monkeypatch.setenv("DOJOT_DEVICE_PASSWORD", "sesame" if where == "environment" else "wrong")

    retriever(device, *(("--device-password-file", tmp_path / "password") if where == "file" else ()))

    assert retriever.written() == files_of(device)


def test_user_and_password_are_asked_for_and_the_password_is_not_shown(gateway, device, tmp_path):
    command = [gateway.url, device, "--out", str(tmp_path / "certs")]

    done = CliRunner().invoke(retrieve, command, input=f"{USER}\n{PASSWORD}\n", catch_exceptions=False)

    assert done.exit_code == 0, done.output
    assert PASSWORD not in done.output


# ------------------------------------------------------------------------------------------- what cannot be retrieved


def test_a_wrong_password_is_told_as_such(retriever, device):
    said = retriever.fails(device, password="wrong")

    assert "could not log in: dojot does not let admin in: wrong user or password." in said
    assert retriever.written() == set()


def test_an_unknown_user_is_told_as_such(retriever, device):
    assert "dojot does not let nobody in: wrong user or password." in retriever.fails(device, "-u", "nobody")


def test_a_server_without_log_in_is_told_from_dojot(shared_server, retriever, device):
    said = retriever.fails(device, url=f"http://127.0.0.1:{shared_server.port}")

    assert "There is no log-in at" in said
    assert "--no-login" in said


def test_a_gateway_that_wants_a_log_in_is_told(retriever, device):
    assert "That server wants a log-in" in retriever.fails(device, "--no-login")


def test_an_unknown_device_is_told_as_such(retriever):
    said = retriever.fails("unknown-device")

    assert "Wrong username or password" in said
    assert "Is there a device with the id unknown-device?" in said
    assert retriever.written() == set()


def test_a_wrong_password_of_the_device_is_told_as_such(retriever, new_device):
    device = new_device(password="sesame")

    assert "Give the device's own enrolment password" in retriever.fails(device)


def test_a_device_that_has_had_its_certificate_is_told_as_such(retriever, device, tmp_path):
    retriever(device)
    retriever.folder = tmp_path / "elsewhere"

    assert f"midca entity rearm {device}" in retriever.fails(device)


def test_an_unknown_ca_is_told_as_such(retriever, device):
    assert "could not fetch the CA's certificates" in retriever.fails(device, "NoSuchCA")


def test_an_expired_token_is_told_as_such(retriever, device, tmp_path):
    (tmp_path / "token").write_text(token(-10))

    said = retriever.fails(device, "--token-file", tmp_path / "token")

    assert "The token has expired at " in said
    assert "Get a new token" in said


def test_a_token_that_expires_on_the_way_is_renewed(retriever, gateway, device):
    gateway.lifetimes = [-1]

    retriever(device)

    assert gateway.asked.count("/auth") == 2


def test_an_untrusted_server_gets_no_password(shared_server, retriever, device, tmp_path):
    with Gateway(shared_server.port, certificate=tls_certificate(tmp_path / "tls.pem")) as unknown:
        said = retriever.fails(device, url=unknown.url)

    assert "cannot show that it is that server: self-signed certificate" in said
    assert "--https-ca" in said
    assert unknown.asked == []


def test_a_server_of_another_name_gets_no_password(shared_server, retriever, device, tmp_path):
    certificate = tls_certificate(tmp_path / "tls.pem", "dojot.example")
    with Gateway(shared_server.port, certificate=certificate) as other:
        said = retriever.fails(device, "--https-ca", certificate, url=other.url)

    assert "Hostname mismatch" in said
    assert other.asked == []


def test_who_insists_trusts_any_server(shared_server, retriever, device, tmp_path):
    with Gateway(shared_server.port, certificate=tls_certificate(tmp_path / "tls.pem")) as unknown:
        said = retriever(device, "--skip-https-check", url=unknown.url).stderr

    assert said.startswith("WARNING: the server is not verified")
    assert retriever.written() == files_of(device)


def test_no_redirect_is_followed(retriever, gateway, device):
    gateway.answers["GET", CA] = lambda _: (302, {})

    said = retriever.fails(device)

    assert f"{gateway.url}{CA} points to http://elsewhere.example/ [2J." in said


# --------------------------------------------------------------------------------------------- what is there already


def test_who_has_a_certificate_keeps_it_and_nobody_is_asked(retriever, gateway, device):
    retriever(device)
    before = retriever.certificate(device)
    gateway.asked.clear()

    said = retriever(device).stdout

    assert f"{device} has a certificate already" in said
    assert retriever.certificate(device) == before
    assert gateway.asked == []


def test_a_ca_file_that_is_gone_is_fetched_again(retriever, gateway, device):
    retriever(device)
    (retriever.folder / "IOTmidCA.crt").unlink()
    gateway.asked.clear()

    retriever(device)

    assert retriever.written() == files_of(device)
    assert gateway.asked == ["/auth", CA, CRL]


def test_a_certificate_that_is_of_no_use_is_told_and_left(retriever, device, new_device):
    other = new_device()
    retriever(device)
    retriever(other)
    (retriever.folder / f"{device}.crt").write_bytes((retriever.folder / f"{other}.crt").read_bytes())

    said = retriever.fails(device)

    assert f"{device}.crt is there, but of no use: The certificate is of another key" in said
    assert retriever.key(device)


def test_overwriting_makes_a_new_key_and_a_failure_leaves_the_old_one(shared_server, retriever, device):
    retriever(device)
    before = retriever.content(device)

    retriever.fails(device, "-w")
    assert retriever.content(device) == before

    assert shared_server.register(device, "dojot").status == 200
    retriever(device, "-w")
    assert retriever.certificate(device).public_key() == retriever.key(device).public_key()
    assert (retriever.folder / f"{device}.key").read_bytes() != before[f"{device}.key"]


def test_a_key_that_is_there_is_used_and_stays(retriever, device):
    retriever.folder.mkdir()
    key = rsa.generate_private_key(65537, 2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    (retriever.folder / f"{device}.key").write_bytes(pem)
    assert "can be read by others" in retriever.fails(device)
    (retriever.folder / f"{device}.key").chmod(0o600)

    retriever(device)

    assert (retriever.folder / f"{device}.key").read_bytes() == pem
    assert retriever.certificate(device).public_key() == key.public_key()


def test_a_lost_answer_costs_no_second_certificate(shared_server, retriever, gateway, device):
    path = ("POST", f"/sign/{device}/pkcs10")
    gateway.answers[path] = lambda _: (502, b"<html>")

    said = retriever.fails(device)
    assert "The gateway does not reach the service behind it" in said
    assert retriever.written() == set()
    del gateway.answers[path]
    retriever(device)

    assert len(shared_server.issued_to(device)) == 1


def test_two_runs_do_not_write_into_one_directory(retriever, device):
    with sole_user(retriever.folder):
        assert f"Another process writes into {retriever.folder}." in retriever.fails(device)


# ------------------------------------------------------------------------------------------------------- many devices


@pytest.fixture
def fleet(new_device, tmp_path) -> Path:
    """A list of six devices, the last of which is not known to the CA."""
    names = [new_device(password=f"password {number}") for number in range(5)]
    rows = [f"{name},password {number},{name}.example {name}.test," for number, name in enumerate(names)]
    path = tmp_path / "devices.csv"
    path.write_text("\n".join(["device,password,dns,ip", *rows, f"{names[0]}-unknown,,,192.0.2.7"]) + "\n")
    return path


def names_in(path: Path) -> list[str]:
    return [line.split(",")[0] for line in path.read_text().splitlines()[1:]]


def test_many_devices_are_retrieved_at_once_with_one_log_in(retriever, gateway, fleet):
    *known, unknown = names_in(fleet)

    done = retriever("IOTmidCA", "--devices", fleet, status=1)

    assert retriever.written() == files_of(*known)
    assert [gateway.asked.count(path) for path in ("/auth", CA, CRL)] == [1, 1, 1]
    assert [line.split()[:2] for line in done.stdout.splitlines()[:-2]] == [
        *([name, "retrieved"] for name in known),
        [unknown, "failed"],
    ]
    assert done.stdout.splitlines()[-2] == "6 devices: 5 retrieved, 0 kept, 1 failed"
    names = retriever.certificate(known[3]).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [f"{known[3]}.example", f"{known[3]}.test"]


def test_devices_that_are_done_are_passed_by_the_next_time(shared_server, retriever, gateway, fleet):
    *known, unknown = names_in(fleet)
    retriever("--devices", fleet, status=1)
    assert shared_server.register(unknown, "dojot").status == 200
    gateway.asked.clear()

    told = json.loads(retriever("--devices", fleet, "--json").stdout)

    assert [each["result"] for each in told["devices"]] == [*["kept"] * len(known), "retrieved"]
    assert (told["retrieved"], told["kept"], told["failed"]) == (1, 5, 0)
    assert gateway.asked == ["/auth", CA, CRL, f"/sign/{unknown}/pkcs10"]
