"""The drill: a server under load is backed up, works on, is lost, and restored, with and without its log (F23)."""

import base64
import itertools
import json
import shutil
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tests.acceptance.conftest import fast_profiles
from tests.acceptance.server import MIDCA, PASSWORD, RunningServer
from tests.builders import csr, one_line
from tests.conftest import run
from tests.signer_oracle import recorded

CLIENTS = 4
pytestmark = pytest.mark.slow


@dataclass
class Life:
    """What clients did with a server: certificates by device, serials they revoked, and answers that were no 200."""

    server: RunningServer
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    certificates: dict[str, x509.Certificate] = field(default_factory=dict)
    revoked: list[str] = field(default_factory=list)
    refused: list[object] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            number = next(self.numbers)
            name = f"device{number}"
            answers = [self.server.register(name), self.server.sign(name, new_request(name))]
            if answers[1].status == 200:
                self.certificates[name] = x509.load_der_x509_certificate(base64.b64decode(answers[1].certificate))
                if number % 5 == 0:
                    serial = f"{self.certificates[name].serial_number:X}"
                    answers.append(revoke(self.server, serial))
                    self.revoked.append(serial)
            self.refused += [answer for answer in answers if answer.status != 200]

    def until(self, act) -> None:
        """Live on while ``act`` runs."""
        over = threading.Event()
        threads = [threading.Thread(target=self.run, args=(over,)) for _ in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            act()
        finally:
            over.set()
            for thread in threads:
                thread.join()


def new_request(name: str) -> str:
    return one_line(csr(name, signing_key=ec.generate_private_key(ec.SECP256R1())))


def revoke(server: RunningServer, serial: str):
    return server.delete(f"/ca/IOTmidCA/certificate/{serial}?reason=KEYCOMPROMISE")


def midca(server: RunningServer, *arguments: str | Path):
    done = run(MIDCA, *arguments, env=server.environment, cwd=server.base)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def wait_for(number: int, life: Life) -> None:
    seen = len(life.certificates)
    while len(life.certificates) < seen + number:
        time.sleep(0.01)


def listed(server: RunningServer) -> tuple[int, set[str]]:
    """Number and serials of the list that is served."""
    crl = x509.load_der_x509_crl(base64.b64decode(server.get("/ca/IOTmidCA/crl").body["CRL"]))
    number = crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    return number, {f"{entry.serial_number:X}" for entry in crl}


def wait_until_listed(server: RunningServer, *serials: str) -> None:
    deadline = time.monotonic() + 30
    while not listed(server)[1] >= set(serials):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.1)


@pytest.fixture(scope="module")
def lost(tmp_path_factory) -> Life:
    """A server that was backed up under load, worked on, had its log exported, and is no more."""
    base = tmp_path_factory.mktemp("lost")
    fast_profiles(base / "profiles")
    server = RunningServer(base, workers=2)
    life = Life(server)

    def live() -> None:
        wait_for(15, life)
        midca(server, "backup", "backup.tar")
        life.before = set(life.certificates)
        wait_for(15, life)

    with server:
        life.until(live)
        wait_until_listed(server, *life.revoked)  # and no list is signed any more
        midca(server, "audit", "export", "log.jsonl")
        life.list_of_a_broker = base64.b64decode(server.get("/ca/IOTmidCA/crl").body["CRL"])
        life.list_numbers = {row[0] for row in server.sql("SELECT number FROM revocation_lists")}
        server.kill()
    server.check_signed_is_recorded()
    assert life.refused == [], "the backup was in the way of a request"
    midca(server, "backup", "verify", "backup.tar")
    return life


@pytest.fixture
def base(tmp_path, lost) -> Path:
    shutil.copytree(lost.server.base / "profiles", tmp_path / "profiles")
    return tmp_path


def restored(life: Life, make_server, *options: str) -> RunningServer:
    server = make_server(workers=2)
    told = json.loads(midca(server, "restore", life.server.base / "backup.tar", "--json", *options))
    assert told["passwords ended"] > 0
    for kept in ("ca/keys", "secrets"):  # elsewhere, as the documentation has it
        shutil.copytree(life.server.data / kept, server.data / kept)
    return server


def new_admin(server: RunningServer) -> None:
    """The token of the backup has ended."""
    token = json.loads(midca(server, "token", "create", "after the restore", "--json"))["token"]
    (server.data / "admin.token").write_text(token)


def check_it_works_on(life: Life, server: RunningServer) -> None:
    number, _ = listed(server)
    assert number > max(life.list_numbers)
    new_admin(server)
    after = Life(server, itertools.count(100_000))
    after.until(lambda: wait_for(10, after))
    assert after.refused == []
    known = {certificate.serial_number for certificate in life.certificates.values()}
    assert known.isdisjoint(certificate.serial_number for certificate in after.certificates.values())
    for name in list(life.certificates)[-3:]:  # their passwords were spent after the backup
        assert server.sign(name, new_request(name), PASSWORD).status == 400
    assert server.verify_audit_log()["findings"] == []


def test_with_an_export_of_the_log_nothing_is_missing(lost, base, make_server):
    server = restored(lost, make_server, "--audit", str(lost.server.base / "log.jsonl"))
    serials = {name: f"{certificate.serial_number:X}" for name, certificate in lost.certificates.items()}

    assert set(lost.server.oracle.signed()) <= recorded(server.database)
    with server:
        check_it_works_on(lost, server)
        assert listed(server)[1] >= set(lost.revoked)
        since = next(name for name in reversed(lost.certificates) if serials[name] not in lost.revoked)
        assert since not in lost.before
        assert revoke(server, serials[since]).status == 200
        wait_until_listed(server, serials[since])
        kept = lost.server.data / "audit.checkpoints"
        told = json.loads(midca(server, "audit", "verify", "--json", "--checkpoints", kept))
        assert "lost" not in told["notes"][0]


def test_without_an_export_what_devices_hand_in_is_taken_and_the_rest_is_revoked_by_serial(lost, base, make_server):
    server = restored(lost, make_server)
    since = [certificate for name, certificate in lost.certificates.items() if name not in lost.before]
    handed_in, by_serial, *_ = [one for one in since if f"{one.serial_number:X}" not in lost.revoked]
    (server.base / "device.pem").write_bytes(handed_in.public_bytes(Encoding.PEM))
    (server.base / "broker.crl").write_bytes(lost.list_of_a_broker)
    midca(server, "crl", "import", "broker.crl")

    with server:
        assert listed(server)[1] == set(lost.revoked)
        check_it_works_on(lost, server)
        assert server.sql("SELECT 1 FROM certificates WHERE serial = ?", f"{handed_in.serial_number:X}") == []
        midca(server, "cert", "import", "device.pem")
        midca(server, "cert", "revoke", f"{handed_in.serial_number:X}", "--reason", "KEYCOMPROMISE")
        midca(server, "cert", "revoke", f"{by_serial.serial_number:X}", "--unknown")
        wait_until_listed(server, *(f"{one.serial_number:X}" for one in (handed_in, by_serial)))
        kept = lost.server.data / "audit.checkpoints"
        told = json.loads(midca(server, "audit", "verify", "--json", "--checkpoints", kept))
        assert (told["findings"], len(told["notes"])) == ([], 1)
