"""The commands of docs/mqtt.md are executed, with only URLs, ports and passwords changed, and its errors provoked."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.acceptance.peers import Holder, Mosquitto, enrol, mosquitto
from tests.acceptance.server import MIDCA, RunningServer, environment
from tests.conftest import require_tool, run
from tests.gateway import PASSWORD, Gateway, tls_certificate

pytestmark = pytest.mark.slow
DOCUMENT = (Path(__file__).parents[2] / "docs" / "mqtt.md").read_text()
BLOCKS = re.findall(r"<!-- executed by tests/acceptance/test_mqtt_docs.py -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL)
RETRIEVE, SUBSCRIBE, PUBLISH, READ, COMPARE, ASK = BLOCKS
TOLD = re.findall(r"^\| `([a-z ]+)` \|", DOCUMENT, re.MULTILINE)


@dataclass(frozen=True)
class Field:
    """A CA, a broker that asks for its certificates and looks at its list, a device, and one that was removed."""

    directory: Path
    server: RunningServer
    broker: Mosquitto
    broker_files: Holder
    device: Holder
    removed: Holder

    def shell(self, script: str, port: int | None = None) -> subprocess.CompletedProcess[str]:
        """Run commands of the document here."""
        path = f"{MIDCA.parent}:{os.environ['PATH']}"
        script = "set -eu -o pipefail\n" + re.sub(
            r"(localhost[: ]|-p )8883", rf"\g<1>{port or self.broker.port}", script
        )
        return run("bash", "-c", script, cwd=self.directory, env=environment(self.server.base) | {"PATH": path})

    def ask(self, holder: Holder, port: int | None = None, host: str = "localhost") -> str:
        """Return what openssl says by the command of the document, with other files in it."""
        script = ASK.replace("-verify_hostname localhost", f"-verify_hostname {host}")
        files = {
            "certs/IOTmidCA.crt": holder.ca,
            "certs/f60c28.crt": holder.certificate,
            "certs/f60c28.key": holder.key,
        }
        for documented, here in files.items():
            assert documented in script
            script = script.replace(documented, str(here))
        done = self.shell(script, port)
        return done.stdout + done.stderr


def list_of(server: RunningServer, path: Path) -> Path:
    path.write_text(server.text("/pki/IOTmidCA.crl.pem"))
    return path


@pytest.fixture(scope="module")
def field(tmp_path_factory) -> Iterator[Field]:
    for tool in ("openssl", "mosquitto_sub", "faketime"):
        require_tool(tool)
    directory = tmp_path_factory.mktemp("mqtt")
    server = RunningServer(directory, workers=2)
    with server:
        files = enrol(server, directory, "broker", "-addext", "subjectAltName=DNS:localhost")
        device, removed = enrol(server, directory, "a1b2c3"), enrol(server, directory, "d4e5f6")
        before = list_of(server, directory / "list.pem").read_text()
        server.delete("/user/d4e5f6")
        deadline = time.monotonic() + 60
        while list_of(server, directory / "list.pem").read_text() == before:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        with mosquitto(directory, files, f"crlfile {directory / 'list.pem'}") as broker:
            yield Field(directory, server, broker, files, device, removed)
    server.check_signed_is_recorded()


def test_a_device_gets_its_certificate_and_talks_as_the_document_says(field, tmp_path):
    assert field.server.register("f60c28", "dojot").status == 200
    with Gateway(field.server.port, certificate=tls_certificate(field.directory / "dojot-https.pem")) as gateway:
        script = RETRIEVE.replace("https://dojot.example.org:8443", gateway.url)
        done = field.shell(script.replace("DOJOT_PASSWORD=admin", f'DOJOT_PASSWORD="{PASSWORD}"'))
    assert done.returncode == 0, done.stderr

    path = f"{MIDCA.parent}:{os.environ['PATH']}"
    listening = subprocess.Popen(
        ["bash", "-c", SUBSCRIBE.replace("8883", str(field.broker.port)).replace("-C 1", "-C 1 -W 60")],
        cwd=field.directory,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        to_device = PUBLISH.replace("/admin/f60c28/attrs", "/admin/f60c28/config").replace(
            '"temperature": 23', '"on": 1'
        )
        deadline = time.monotonic() + 60
        while listening.poll() is None and time.monotonic() < deadline:  # it may not be subscribed yet
            assert field.shell(to_device).returncode == 0
            time.sleep(0.2)
        assert listening.communicate(timeout=60)[0] == '{"on": 1}\n'
    finally:
        listening.kill()
    assert field.shell(PUBLISH).returncode == 0

    read = field.shell(READ)
    assert read.returncode == 0, read.stderr
    for said in ("subject=CN=f60c28", "DigitalSignature", "nextUpdate=", "Subject:CN=IOTrootCA"):
        assert said in read.stdout.replace(" ", ""), "OpenSSL changes where it puts blanks"
    compared = field.shell(COMPARE)
    assert compared.returncode == 0, compared.stderr
    ok, key, certificate = compared.stdout.splitlines()
    assert ok == "certs/f60c28.crt: OK"
    assert key == certificate


def test_what_openssl_says_of_a_good_connection(field):
    said = field.ask(field.device)

    assert "Verification: OK" in said
    assert "alert" not in said


def only_the_first(field: Field, tmp_path: Path) -> str:
    first = tmp_path / "first.crt"
    first.write_text(field.device.ca.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n")
    return field.ask(replace(field.device, ca=first))


def another_name(field: Field, _tmp_path: Path) -> str:
    return field.ask(field.device, host="mqtt.example.org")


def of_the_old_ca(directory: Path) -> tuple[Path, Path, Path]:
    """Return a device's key and certificate, and the CA that issued it: like EJBCA's nothing of midca."""
    key, request, certificate, ca_key, ca = (
        directory / name for name in ("key", "csr", "a1b2c3.crt", "ca.key", "ca.crt")
    )
    new_key = ("req", "-newkey", "rsa:2048", "-nodes", "-subj")
    for command in (
        (*new_key, "/CN=EJBCA", "-x509", "-keyout", ca_key, "-out", ca),
        (*new_key, "/CN=a1b2c3", "-keyout", key, "-out", request),
        ("x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate),
    ):
        made = run("openssl", *command)
        assert made.returncode == 0, made.stderr
    return key, certificate, ca


def another_ca(field: Field, tmp_path: Path) -> str:
    key, certificate, _ = of_the_old_ca(tmp_path)
    return field.ask(replace(field.device, key=key, certificate=certificate))


def list_has_run_out(field: Field, tmp_path: Path) -> str:
    """A broker whose clock is a month ahead, which is the same for its list and not for the certificates."""
    library = next(Path("/usr/lib").rglob("libfaketime.so.1"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(library))
        patch.setenv("FAKETIME", "+30d")
        with mosquitto(tmp_path, field.broker_files, f"crlfile {field.directory / 'list.pem'}") as late:
            patch.undo()
            return field.ask(field.device, late.port)


def removed(field: Field, _tmp_path: Path) -> str:
    return field.ask(field.removed)


def no_certificate(field: Field, _tmp_path: Path) -> str:
    script = ASK.replace("certs/IOTmidCA.crt", str(field.device.ca)).partition(" -cert")[0]
    return field.shell(script).stderr


def another_key(field: Field, _tmp_path: Path) -> str:
    return field.ask(replace(field.device, key=field.removed.key))


def no_tls(field: Field, _tmp_path: Path) -> str:
    return field.ask(field.device, field.server.port)


PROVOKED = {
    "unable to get issuer certificate": only_the_first,
    "hostname mismatch": another_name,
    "alert unknown ca": another_ca,
    "alert certificate expired": list_has_run_out,
    "alert certificate revoked": removed,
    "alert certificate required": no_certificate,
    "key values mismatch": another_key,
    "wrong version number": no_tls,
}


@pytest.fixture(scope="module")
def answers(field, tmp_path_factory) -> dict[str, str]:
    """What openssl says in each case, asked at the same time; the changed clock is nothing for the others."""
    changed = {"alert certificate expired": list_has_run_out(field, tmp_path_factory.mktemp("late"))}
    with ThreadPoolExecutor(4) as pool:
        asked = {
            told: pool.submit(provoke, field, tmp_path_factory.mktemp("case"))
            for told, provoke in PROVOKED.items()
            if told not in changed
        }
    return changed | {told: future.result() for told, future in asked.items()}


@pytest.mark.parametrize("told", PROVOKED)
def test_an_error_of_the_document_comes_of_the_cause_that_it_names(answers, told):
    row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{told}` |"))
    other = re.findall("also `([a-z ]+)`", row)  # as another version of OpenSSL puts it

    assert any(words in answers[told] for words in [told, *other])


def test_the_document_names_these_errors():
    assert list(PROVOKED) == TOLD


def test_a_broker_that_trusts_two_cas_takes_the_devices_of_both_unless_it_misses_the_list_of_one(field, tmp_path):
    """While EJBCA is replaced, as docs/dojot.md has it."""
    key, certificate, old = of_the_old_ca(tmp_path)
    trusted = tmp_path / "trusted.crt"
    trusted.write_text(field.device.ca.read_text() + old.read_text())
    broker_files, old_device = replace(field.broker_files, ca=trusted), Holder(key, certificate, field.device.ca)

    with mosquitto(tmp_path, broker_files) as broker:
        assert broker.accepts(field.device)
        assert broker.accepts(old_device)
    with mosquitto(tmp_path, broker_files, f"crlfile {field.directory / 'list.pem'}") as broker:
        assert broker.accepts(field.device)
        assert not broker.accepts(old_device)
