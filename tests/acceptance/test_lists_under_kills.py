"""Lists while workers and servers are killed; a thousand revocations over three servers on one database."""

import base64
import itertools
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acceptance.server import NO_ANSWER, RunningServer
from tests.acceptance.test_kill import some_worker
from tests.builders import csr, one_line
from tests.conftest import require_tool, run

CERTIFICATES = 1000
KILLS = 12
LISTS = 30  # each with a kill while it is made


@dataclass
class Reader:
    """Fetches lists all the time, from whichever server answers; what it is given must verify and never go back."""

    servers: list[RunningServer]
    key: ec.EllipticCurvePublicKey
    lists: list[x509.CertificateRevocationList] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def run(self, over: threading.Event) -> None:
        for server in itertools.cycle(self.servers):
            if over.is_set():
                return
            try:
                answer = server.get("/ca/IOTmidCA/crl")
            except NO_ANSWER:
                continue
            if answer.status != 200:
                self.problems.append(str(answer))
                continue
            crl = x509.load_der_x509_crl(base64.b64decode(answer.body["CRL"]))
            if not crl.is_signature_valid(self.key):
                self.problems.append(f"list {number_of(crl)} does not verify")
            if self.lists and number_of(crl) < number_of(self.lists[-1]):
                self.problems.append(f"list {number_of(crl)} came after {number_of(self.lists[-1])}")
            self.lists.append(crl)


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@pytest.fixture
def servers(fast_server, tmp_path) -> list[RunningServer]:
    """Three servers of two workers each over one data directory."""
    made = [fast_server, *(RunningServer(tmp_path, workers=2) for _ in range(2))]
    for server in made:
        server.environment |= {"MIDCA_PUBLIC_URL": "http://ca.example.org", "MIDCA_DELTA_CRL_HOURS": "24"}
        server.start()
    yield made
    for server in made:
        if server.process is not None:
            server.kill()


def enrol(server: RunningServer, number: int) -> str:
    request = one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1())))
    assert server.register(f"device{number}").status == 200
    answer = server.sign(f"device{number}", request)
    assert answer.status == 200, answer
    return f"{x509.load_der_x509_certificate(base64.b64decode(answer.certificate)).serial_number:X}"


def revoke(servers: list[RunningServer], serial: str, chance: random.Random) -> None:
    """Ask one server after the other until one acknowledges; the answer to the first may have been lost."""
    while True:
        try:
            answer = chance.choice(servers).delete(f"/ca/IOTmidCA/certificate/{serial}?reason=KEYCOMPROMISE")
        except NO_ANSWER:
            time.sleep(0.02)
            continue
        assert answer.status == 200 or "already revoked" in answer.body["message"], answer
        return


def kill_now_and_then(servers: list[RunningServer], over: threading.Event, chance: random.Random) -> int:
    """Kill a worker, who issues lists, or one of the second and third server as a whole, which is started again."""
    for kills in range(1, KILLS + 1):
        if over.wait(chance.uniform(0.1, 0.6)):
            return kills - 1
        server = chance.choice(servers)
        if kills % 4 == 0 and server is not servers[0]:
            server.kill()
            server.start()
        else:
            with suppress(ProcessLookupError):  # who issued lists may be dead yet
                os.kill(chance.choice([*some_worker(server), *server.beside("does the upkeep")[-1:]]), signal.SIGKILL)
    return KILLS


@pytest.mark.slow
def test_every_list_shows_just_what_was_revoked_when_it_was_begun(servers, tmp_path):
    """F20."""
    chance, over = random.Random(3), threading.Event()
    with ThreadPoolExecutor(12) as pool:
        serials = list(pool.map(lambda number: enrol(servers[number % 3], number), range(CERTIFICATES)))
        certificate = x509.load_pem_x509_certificate((tmp_path / "data/ca/certificates/IOTmidCA.pem").read_bytes())
        reader = Reader(servers, certificate.public_key())
        reading = pool.submit(reader.run, over)
        killing = pool.submit(kill_now_and_then, servers, over, random.Random(4))
        for done in [pool.submit(revoke, servers, serial, chance) for serial in serials]:
            done.result()
        assert killing.result() == KILLS
        acknowledged = time.monotonic()
        while not reader.lists or len(reader.lists[-1]) < CERTIFICATES:
            assert time.monotonic() - acknowledged < 60, "a minute after the last revocation the list is still short"
            time.sleep(0.05)
        over.set()
        reading.result()

    assert reader.problems == []
    revisions = dict(servers[0].sql("SELECT serial, revocation_revision FROM certificates WHERE certificate_type = 1"))
    assert sorted(revisions.values()) == list(range(1, CERTIFICATES + 1))
    rows = servers[0].sql(
        "SELECT number, revision, kind FROM revocation_lists WHERE ca_name = 'IOTmidCA' AND "
        "state = 'issued' AND scope = 'all' ORDER BY number"
    )
    numbers = [number for number, _revision, kind in rows if kind == "complete"]
    assert len(numbers) == len(set(numbers)) >= 3
    revision_of = {number: revision for number, revision, kind in rows if kind == "complete"}
    assert list(revision_of.values()) == sorted(revision_of.values())
    for crl in reader.lists:
        shown = {f"{entry.serial_number:X}" for entry in crl}
        wanted = {serial for serial, revision in revisions.items() if revision <= revision_of[number_of(crl)]}
        assert wanted <= shown


def verify_by_openssl(server: RunningServer, over: threading.Event, problems: list[str]) -> int:
    """Have OpenSSL verify the list as it is served, over and over; return how often it was right."""
    openssl, file, verified = require_tool("openssl"), server.base / "list.crl", 0
    while not over.is_set():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/pki/IOTmidCA.crl") as response:
                file.write_bytes(response.read())
        except urllib.error.HTTPError as error:
            with error:
                problems.append(str(error))
            continue
        except NO_ANSWER:
            continue
        authority = server.data / "ca/certificates/IOTmidCA.pem"
        done = run(openssl, "crl", "-inform", "DER", "-in", file, "-CAfile", authority, "-noout", "-verify")
        if "verify OK" in done.stdout + done.stderr:
            verified += 1
        else:
            problems.append(done.stdout + done.stderr)
    return verified


def kill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


@pytest.mark.slow
def test_list_that_is_served_verifies_whatever_is_killed_while_lists_are_made(fast_server):
    """F21."""
    chance, over, made, problems = random.Random(21), threading.Event(), [], []
    with fast_server, ThreadPoolExecutor(1) as pool:
        verifying = pool.submit(verify_by_openssl, fast_server, over, problems)
        for _ in range(LISTS):
            threading.Timer(chance.uniform(0, 0.05), kill, [chance.choice(some_worker(fast_server))]).start()
            try:
                made.append(fast_server.put("/ca/IOTmidCA/crl").status)
            except NO_ANSWER:
                made.append(None)
        over.set()

    assert verifying.result() > 0
    assert problems == []
    assert {None, 200} <= set(made), "kills hit all lists or none"
