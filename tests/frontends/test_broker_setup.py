"""``midca broker setup``: one directory with all that a broker and its agent need."""

import json
import stat
from types import SimpleNamespace

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.broker.agent import check
from app.client.broker.configuration import load
from app.client.chain import fingerprint
from app.frontends.admin_cli import cli
from tests.client.broker import serving


@pytest.fixture
def setup(installation, tmp_path, monkeypatch):
    """Runs the command on the CA's machine; ``variables`` is the environment."""
    monkeypatch.delenv("MOSCA_TLS_DNS_LIST", raising=False)

    def setup(*options: object, name: str = "mosca", out: str = "broker", **variables: str):
        command = ["broker", "setup", "--name", name, "--out", tmp_path / out, "--key-type", "p256", *options]
        program = SimpleNamespace(open_services=lambda: installation.services)
        return CliRunner().invoke(cli, [str(part) for part in command], obj=program, env=variables)

    return setup


@pytest.fixture
def remote(installation, setup, tmp_path):
    """The same from afar."""

    def remote(*options: object, token: str | None = None, **more):
        (tmp_path / "token").write_text(token or installation.settings.admin_token.read_text())
        with serving(installation) as port:
            url = f"http://127.0.0.1:{port}"
            return setup("--url", url, "--token-file", tmp_path / "token", *options, **more)

    return remote


@pytest.fixture
def certificate(tmp_path):
    return lambda out="broker": x509.load_pem_x509_certificates((tmp_path / out / "broker.pem").read_bytes())[0]


def alternative_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in names]


def test_directory_has_what_broker_and_agent_need(setup, installation, tmp_path, certificate):
    made = setup("--dns", "localhost,mqtt.example", "--ip", "192.0.2.7")

    assert made.exit_code == 0, made.output
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "broker").iterdir()}
    assert modes == {
        "broker.pem": 0o600,
        "enrolment.password": 0o600,
        "agent.state": 0o600,
        "control.password": 0o600,
        "dynamic-security.json": 0o600,
        "agent.toml": 0o644,
        "ca.pem": 0o644,
        "crl.pem": 0o644,
        "mosquitto.acl": 0o644,
        "mosquitto.conf": 0o644,
    }
    assert stat.S_IMODE((tmp_path / "broker").stat().st_mode) == 0o700
    assert alternative_names(certificate()) == ["localhost", "mqtt.example", "192.0.2.7"]
    usage = certificate().extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert "The agent has no token yet" in made.output
    assert fingerprint(installation.services.authorities.named("IOTrootCA").certificate) in made.output, "to compare"


def test_agent_can_read_what_was_written(setup, installation, tmp_path):
    (tmp_path / "token").write_text("midca_x\n")
    setup("--dns", "localhost", "--agent-token-file", tmp_path / "token", "--agent-url", "https://ca.example")
    configuration = load(tmp_path / "broker")

    assert configuration.ca.server.url == "https://ca.example:443"
    assert configuration.ca.root_sha256 == fingerprint(installation.services.authorities.named("IOTrootCA").certificate)
    assert configuration.ca.token_file.read_text() == "midca_x\n"
    assert [alarm.sentence for alarm in check(configuration, installation.clock())] == [
        "The agent has not run here yet."
    ]


def test_names_come_from_dojots_variable_where_none_are_given(setup, certificate):
    made = setup(MOSCA_TLS_DNS_LIST="mqtt, mosca,localhost,192.0.2.7")
    assert made.exit_code == 0, made.output
    assert alternative_names(certificate()) == ["mqtt", "mosca", "localhost", "192.0.2.7"]

    setup("--dns", "mine", name="other", out="other", MOSCA_TLS_DNS_LIST="mqtt")
    assert alternative_names(certificate("other")) == ["mine"]


def test_broker_without_a_name_and_url_without_a_token_are_wrong_commands(setup):
    assert setup("--dns", "localhost", "--url", "https://ca.example").exit_code == 2
    assert setup().exit_code == 2
    assert "--dns, --ip or MOSCA_TLS_DNS_LIST" in setup().output


def test_name_that_is_none_is_refused(setup):
    for options in (("--dns", "a b"), ("--dns", "ü.example"), ("--ip", "1.2.3")):
        made = setup(*options)

        assert made.exit_code == 1, options
        assert "is no" in made.output, options


def test_cfree_makes_a_certificate_for_both_sides(setup, certificate):
    made = setup("--dns", "localhost", "--profile", "CFREE", "--key-type", "rsa")

    assert made.exit_code == 0, made.output
    assert alternative_names(certificate()) == ["localhost"]


def test_directory_that_is_a_brokers_already_is_left_alone(setup, tmp_path, installation):
    setup("--dns", "localhost")
    before = (tmp_path / "broker" / "broker.pem").read_bytes()

    again = setup("--dns", "localhost", "--replace")

    assert again.exit_code == 1
    assert "has a broker's key and certificate already" in again.output
    assert (tmp_path / "broker" / "broker.pem").read_bytes() == before
    assert installation.certificates() == 1


@pytest.mark.parametrize("run", ["setup", "remote"])
def test_name_of_another_is_taken_only_when_asked_to(request, installation, run):
    run = request.getfixturevalue(run)
    installation.add("mosca", "somebody's")

    refused = run("--dns", "localhost")
    assert refused.exit_code == 1
    assert "already" in refused.output

    assert run("--dns", "localhost", "--replace").exit_code == 0


def test_setup_from_afar_makes_the_same(setup, remote, tmp_path):
    assert setup("--dns", "localhost").exit_code == 0
    made = remote("--dns", "localhost", name="other", out="afar")

    assert made.exit_code == 0, made.output
    here, afar = tmp_path / "broker", tmp_path / "afar"
    assert {path.name for path in afar.iterdir()} == {path.name for path in here.iterdir()}
    assert (afar / "ca.pem").read_bytes() == (here / "ca.pem").read_bytes()
    assert json.loads((afar / "agent.state").read_text()) == json.loads((here / "agent.state").read_text())
    assert load(afar).ca.root_sha256 == load(here).ca.root_sha256


def test_wrong_token_is_refused_without_being_shown(remote, tmp_path):
    made = remote("--dns", "localhost", token="midca_guessed\n")

    assert made.exit_code == 1
    assert "answers 401" in made.output
    assert "guessed" not in made.output
    assert not (tmp_path / "broker" / "broker.pem").exists()


@pytest.mark.parametrize("run", ["setup", "remote"])
def test_other_ca_than_the_one_that_is_asked_for_is_refused(request, run, installation):
    made = request.getfixturevalue(run)("--dns", "localhost", "--ca-fingerprint", "AB" * 32)

    assert made.exit_code == 1
    assert "No certificate of the CA has the fingerprint" in made.output
    assert installation.certificates() == 0


def test_token_does_not_go_to_another_machine_in_clear_unless_asked_to(setup, tmp_path):
    (tmp_path / "token").write_text("midca_x")
    options = ("--dns", "localhost", "--url", "http://ca.invalid", "--token-file", tmp_path / "token")

    assert setup(*options).exit_code == 2
    assert "use https://" in setup(*options).output
    assert "there is no host of that name" in setup(*options, "--plain-http").output


def test_agent_is_not_sent_to_another_machine_in_clear_either(setup):
    assert setup("--dns", "localhost", "--agent-url", "http://ca.invalid").exit_code == 2
    assert setup("--dns", "localhost", "--agent-url", "http://ca.invalid", "--plain-http").exit_code == 0


def test_cas_that_are_trusted_for_https_go_along(setup, installation, tmp_path):
    trusted = tmp_path / "https.pem"
    trusted.write_bytes(installation.services.authorities.named("IOTrootCA").certificate.public_bytes(Encoding.PEM))

    made = setup("--dns", "localhost", "--agent-url", "https://ca.example", "--https-ca", trusted)

    assert made.exit_code == 0, made.output
    assert (tmp_path / "broker" / "https-ca.pem").read_bytes() == trusted.read_bytes()
    (authority,) = load(tmp_path / "broker").ca.server.tls.get_ca_certs()
    assert (("commonName", "IOTrootCA"),) in authority["subject"]


def test_place_a_broker_cannot_have_is_refused(setup, installation):
    for place in ("/var/lib/a b", "/var/lib/" + "x" * 100):
        assert setup("--dns", "localhost", "--place", place).exit_code == 1, place
    assert installation.certificates() == 0


def test_files_name_the_place_on_the_brokers_machine(setup, tmp_path):
    setup("--dns", "localhost", "--place", "/var/lib/midca-broker", "--port", "9883")

    text = (tmp_path / "broker" / "mosquitto.conf").read_text()
    assert "listener 9883\n" in text
    assert "crlfile /var/lib/midca-broker/crl.pem\n" in text
    assert str(tmp_path) not in text


OTHERS = {
    "vernemq": [
        "listener.ssl.default.crlfile = /b/crl.pem",
        "listener.ssl.default.certfile = /b/broker.pem",
        "listener.ssl.default.keyfile = /b/broker.pem",
        "listener.ssl.default.require_certificate = on",
        "listener.ssl.default.use_identity_as_username = on",
    ],
    "emqx": [
        '    cacertfile = "/b/ca.pem"',
        "    verify = verify_peer",
        "    fail_if_no_peer_cert = true",
        "    enable_crl_check = true",
        "mqtt.peer_cert_as_username = cn",
        'api_key.bootstrap_file = "/b/emqx.api_key"',
    ],
}


def test_other_brokers_get_their_own_configuration(setup, tmp_path):
    for kind, lines in OTHERS.items():
        made = setup("--dns", "localhost", "--for", kind, "--place", "/b", name=kind, out=kind)

        assert made.exit_code == 0, made.output
        assert set(lines) <= set((tmp_path / kind / f"{kind}.conf").read_text().splitlines()), kind
        assert load(tmp_path / kind).sessions is not None, kind

    secret = (tmp_path / "emqx" / "emqx.secret").read_text()
    assert (tmp_path / "emqx" / "emqx.api_key").read_text() == f"midca-agent:{secret}"
    for name in ("emqx.secret", "emqx.api_key"):
        assert stat.S_IMODE((tmp_path / "emqx" / name).stat().st_mode) == 0o600
