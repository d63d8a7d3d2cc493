"""OCSP at the running server, asked and judged by programs that are not ours."""

import base64
import http.client
import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests import ocsp
from tests.acceptance.peers import Holder, enrol
from tests.acceptance.server import MIDCA, RunningServer, environment
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow


@pytest.fixture
def device(server, tmp_path) -> Holder:
    return enrol(server, tmp_path, "f60c28")


@pytest.fixture
def mid(server) -> x509.Certificate:
    return x509.load_pem_x509_certificate((server.data / "ca" / "certificates" / "IOTmidCA.pem").read_bytes())


def url(server: RunningServer) -> str:
    return f"http://127.0.0.1:{server.port}/ocsp"


def serial(holder: Holder) -> str:
    return f"{x509.load_pem_x509_certificate(holder.certificate.read_bytes()).serial_number:X}"


def openssl_asks(server: RunningServer, holder: Holder, *options: str | Path, of=()) -> str:
    """What openssl prints once it has verified the answer; ``of`` names another certificate than the holder's."""
    subject = of or ("-cert", holder.certificate)
    command = ("ocsp", "-issuer", holder.ca, *subject, "-url", url(server), "-CAfile", holder.ca, *options)
    done = run(require_tool("openssl"), *command, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Response verify OK" in done.stderr, done.stderr
    return done.stdout + done.stderr


def revoke(server: RunningServer, holder: Holder, reason: str = "KEYCOMPROMISE") -> None:
    request = urllib.request.Request(
        server._url(f"/ca/IOTmidCA/certificate/{serial(holder)}?reason={reason}"),
        headers={"Authorization": f"Bearer {server.admin_token}"},
        method="DELETE",
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("options", [("-nonce",), ("-no_nonce",)], ids=" ".join)
def test_openssl_verifies_good_revoked_held_released_and_unknown(server, device, options):
    def asks(**of) -> str:
        return openssl_asks(server, device, *options, **of)

    assert f"{device.certificate}: good" in asks(of=("-sha256", "-cert", device.certificate))
    assert f"{device.certificate}: good" in asks()
    revoke(server, device, "CERTIFICATEHOLD")
    assert "Reason: certificateHold" in asks()
    revoke(server, device, "NOTREVOKED")
    assert f"{device.certificate}: good" in asks()
    revoke(server, device)
    printed = asks()
    assert f"{device.certificate}: revoked" in printed
    assert "Reason: keyCompromise" in printed
    assert "0xABC: unknown" in asks(of=("-serial", "0xABC"))
    assert ("no nonce in response" not in printed) or options == ("-no_nonce",)


def test_gnutls_asks_and_verifies(server, device, tmp_path):
    ca = tmp_path / "IOTmidCA.crt"
    ca.write_bytes(x509.load_pem_x509_certificates(device.ca.read_bytes())[0].public_bytes(Encoding.PEM))
    base = f"http://127.0.0.1:{server.port}"
    files = ("--load-cert", device.certificate, "--load-issuer", ca, "--load-trust", device.ca)
    tool = require_tool("ocsptool")

    def ask() -> str:
        done = run(tool, f"--ask={url(server)}", *files, timeout=30)
        return done.stdout + done.stderr

    assert "Certificate Status: good" in (printed := ask()), base + printed
    assert "Verifying OCSP Response: Success" in printed
    revoke(server, device)
    assert "Certificate Status: revoked" in ask()


@pytest.mark.parametrize("nonce", [None, b"n" * 32], ids=["without nonce", "with nonce"])
@pytest.mark.parametrize("status", ["good", "revoked", "unknown"])
def test_pkilint_finds_nothing_in_an_answer(server, device, mid, nonce, status):
    if status == "revoked":
        revoke(server, device)
    number = "ABC" if status == "unknown" else serial(device)
    file = server.base / "answer.der"
    file.write_bytes(asked(server, ocsp.request(mid, number, nonce=nonce)))

    assert lint("lint_ocsp_response", "lint", "--severity", "WARNING", "--format", "JSON", file) == []


@pytest.mark.parametrize("name", ["IOTmidCA", "IOTrootCA"])
def test_pkilint_finds_no_error_in_the_certificate_of_a_responder(server, tmp_path, name):
    certificate = x509.load_pem_x509_certificate((server.data / "ca" / "ocsp" / f"{name}.pem").read_bytes())
    file = tmp_path / "responder.pem"
    file.write_bytes(certificate.public_bytes(Encoding.PEM))

    assert lint("lint_pkix_cert", "lint", "--severity", "ERROR", "--format", "JSON", file) == []


def lint(linter: str, *arguments: str | Path) -> list[str]:
    done = run(Path(sys.executable).parent / linter, *arguments)
    results = json.loads(done.stdout)["results"]
    return [found["code"] for result in results for found in result["finding_descriptions"]]


def asked(server: RunningServer, der: bytes) -> bytes:
    request = urllib.request.Request(url(server), der, {"Content-Type": ocsp.TYPE})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


def status_of(der: bytes) -> str:
    return ocsp.load(der).certificate_status.name


def test_no_answer_that_was_asked_for_after_a_revocation_says_good(server, tmp_path, mid):
    """Clients ask all workers all the time while certificates are revoked, with and without nonce, by GET and POST."""
    holders = [enrol(server, tmp_path, f"device{number}") for number in range(6)]
    revoked: set[str] = set()
    wrong, answers, over = [], [], threading.Event()

    def ask(number: int) -> None:
        while not over.is_set():
            for holder in holders:
                known = serial(holder) in revoked
                der = ocsp.request(mid, serial(holder), nonce=os.urandom(32) if number % 2 else None)
                if number < 2:
                    with urllib.request.urlopen(server._url(ocsp.path_of(der)), timeout=30) as answer:
                        status = status_of(answer.read())
                else:
                    status = status_of(asked(server, der))
                answers.append(status)
                if known and status != "REVOKED":
                    wrong.append(status)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for holder in holders:
            time.sleep(0.2)
            revoke(server, holder)
            revoked.add(serial(holder))
        printed = [openssl_asks(server, holder) for holder in holders]
        time.sleep(0.5)
    finally:
        over.set()
        for thread in threads:
            thread.join()

    assert wrong == []
    assert set(answers) == {"GOOD", "REVOKED"}
    assert all(": revoked" in each for each in printed)


@pytest.mark.parametrize("safe", ["", "/+="], ids=["encoded", "as it is"])
def test_request_in_the_path_reaches_the_responder_whatever_characters_it_has(server, mid, safe):
    """Not through urllib or a test client: they have ideas of their own about slashes."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    seen = set()
    for number in range(3000):
        der = ocsp.request(mid, (1 << 8 * (9 + number % 3)) + number * 0xFFF3)
        text = base64.b64encode(der).decode()
        found = {what for what in ("//", "+") if what in text} | {text[-1]} & {"/", "+"}
        if found <= seen:
            continue
        seen |= found
        connection.request("GET", f"/ocsp/{quote(text, safe=safe)}")
        assert status_of(connection.getresponse().read()) == "UNKNOWN"
    connection.close()

    assert seen == {"//", "+", "/"}


def signer(server: RunningServer, mid: x509.Certificate) -> int:
    return ocsp.load(asked(server, ocsp.request(mid, 1))).certificates[0].serial_number


def test_responder_that_is_gone_is_made_anew_and_all_workers_and_servers_use_it(make_server):
    with make_server() as one, make_server() as other:
        mid = x509.load_pem_x509_certificate((one.data / "ca" / "certificates" / "IOTmidCA.pem").read_bytes())
        before = {signer(server, mid) for server in (one, other) for _ in range(10)}
        (one.data / "ca" / "ocsp" / "IOTmidCA.pem").unlink()
        deadline = time.monotonic() + 60
        while not (one.data / "ca" / "ocsp" / "IOTmidCA.pem").exists():
            assert time.monotonic() < deadline, one.log + other.log
            time.sleep(0.05)
        after = {signer(server, mid) for server in (one, other) for _ in range(10)}
        # a worker that starts just now gives up what another is about to sign; that one is signed anew, and counts not
        good = "SELECT username FROM certificates WHERE certificate_type = 1001 AND state = 'issued' ORDER BY username"
        made = one.sql(good)

    assert len(before) == len(after) == 1
    assert before != after
    assert made == [("IOTmidCA/OCSP",), ("IOTmidCA/OCSP",), ("IOTrootCA/OCSP",)], one.log + other.log


def test_kills_while_responders_are_renewed_leave_one_that_works(make_server, tmp_path):
    """Each life begins without a responder file and ends somewhere in the renewal, or shortly after it."""
    server = make_server(workers=2)
    with server:
        pass
    file = server.data / "ca" / "ocsp" / "IOTmidCA.pem"
    mid = x509.load_pem_x509_certificate((server.data / "ca" / "certificates" / "IOTmidCA.pem").read_bytes())
    server.start()
    for life in range(12):
        file.unlink(missing_ok=True)
        time.sleep(life * 0.1)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, server.log
        time.sleep(0.05)
    server.wait_until_healthy()

    assert status_of(asked(server, ocsp.request(mid, mid.serial_number))) == "UNKNOWN"
    assert server.stop() == 0
    with server:
        assert server.get("/ready").status == 200
        assert server.sql("SELECT count(*) FROM certificates WHERE state = 'pending'") == [(0,)]


# midca ocsp query


def midca(server: RunningServer, *arguments: str | Path, status: int = 0) -> str:
    done = run(MIDCA, "ocsp", "query", *arguments, env=environment(server.base), cwd=server.base, timeout=60)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout if status == 0 else done.stderr


@pytest.mark.parametrize("over_http", [False, True], ids=["in the process", "over HTTP"])
def test_query_tells_the_verified_status(server, device, over_http):
    where = ("--url", url(server)) if over_http else ()
    good = json.loads(midca(server, device.certificate, "--json", *where))
    assert (good["status"], good["ca"], good["revoked"]) == ("good", "IOTmidCA", None)
    assert good["signed by"] == "CN=IOTmidCA OCSP,O=EJBCA IOT,C=SE"
    revoke(server, device)

    told = midca(server, serial(device), *where)

    assert re.search(r"^status +revoked$", told, re.MULTILINE)
    assert re.search(r"^reason +KEYCOMPROMISE$", told, re.MULTILINE)
    assert "unknown" in midca(server, "AB:CD", *where)
    mid = server.data / "ca" / "certificates" / "IOTmidCA.pem"
    assert json.loads(midca(server, mid, "--json", *where))["ca"] == "IOTrootCA"


def test_query_does_not_believe_what_it_cannot_verify(server, device, make_server, tmp_path):
    elsewhere = tmp_path / "stranger"
    elsewhere.mkdir()
    with make_server(elsewhere) as stranger:
        refused = midca(server, device.certificate, "--url", url(stranger), status=1)
    assert refused == "midca: There is no OCSP answer but the error UNAUTHORIZED.\n"
    refused = midca(server, device.certificate, "--url", server._url("/health"), status=1)
    assert refused.startswith("midca: http")
    assert refused.count("\n") == 1
    assert "not the URL of a server" in midca(server, device.certificate, "--url", "file:///etc/passwd", status=1)
    assert "goes with --url" in midca(server, device.certificate, "--https-ca", device.certificate, status=2)
    assert "does not exist" in midca(server, "ABC", "--ca", "NoCA", status=1)
    assert "neither a file nor a hexadecimal" in midca(server, "missing.pem", status=1)
    assert "no certificate in PEM" in midca(server, device.key, status=1)
    assert "cannot be read: Input/output error" in midca(server, "/proc/self/mem", status=1)
