"""TLS of midca's own, set up as docs/operations.md has it: one worker with one thread, which waits for nobody."""

import http.client
import json
import shutil
import signal
import socket
import ssl
import time
from contextlib import closing

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.acceptance.server import MIDCA, PASSWORD, RunningServer
from tests.acceptance.test_slow_clients import is_open, read_to_the_end
from tests.acceptance.tls import give_tls
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
MANY = 32
GET = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    running = RunningServer(tmp_path_factory.mktemp("tls"), workers=1)
    running.environment["MIDCA_THREADS"] = "1"
    give_tls(running)
    with running:
        yield running
    assert "Traceback" not in running.log


@pytest.fixture
def plain(server):
    """Connects without TLS."""
    made = []

    def connect(octets: bytes) -> socket.socket:
        made.append(socket.create_connection(("127.0.0.1", server.port), timeout=30))
        made[-1].sendall(octets)
        return made[-1]

    yield connect
    for connection in made:
        connection.close()


def midca(server, *arguments, status: int = 0) -> str:
    done = run(MIDCA, *arguments, env=server.environment, cwd=server.base)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def trusting(server) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=server.base / "ca.pem")


def secure(server, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    return (context or trusting(server)).wrap_socket(connection, server_hostname="localhost")


def client_hello(server) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        trusting(server).wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def test_start_tells_that_https_is_spoken_and_the_documented_ca_verifies_it(server):
    assert f"serving on https://127.0.0.1:{server.port}" in server.log
    with secure(server) as connection:
        connection.sendall(GET)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        assert connection.version() in {"TLSv1.2", "TLSv1.3"}


def test_curl_and_openssl_speak_with_it(server):
    health = f"https://localhost:{server.port}/health"
    assert run(require_tool("curl"), "-fsS", "--cacert", server.base / "ca.pem", health).stdout == '{"status":"ok"}\n'
    options = ["-connect", f"localhost:{server.port}", "-CAfile", server.base / "ca.pem", "-verify_return_error"]
    assert "Verify return code: 0 (ok)" in run("openssl", "s_client", *options, input="").stdout


def test_ocsp_query_trusts_the_ca_it_is_given(server):
    asked = ("ocsp", "query", server.data / "ca" / "certificates" / "IOTmidCA.pem")
    responder = ("--url", f"https://localhost:{server.port}/ocsp")

    told = midca(server, *asked, *responder, "--https-ca", server.base / "ca.pem", "--json")

    assert json.loads(told)["status"] == "good"
    assert "name its file (--https-ca)" in midca(server, *asked, *responder, status=1)


def test_device_enrols_by_midca_retrieve_and_midca_dojot_check_reaches_it(server, tmp_path):
    assert server.register("f60c28", "dojot").status == 200
    address = f"https://localhost:{server.port}"
    trusted = ("--https-ca", server.base / "ca.pem")

    midca(server, "retrieve", address, "f60c28", "--no-login", *trusted, "--out", tmp_path)
    check = midca(server, "dojot", "check", address, *trusted, "--json", status=1)

    assert (tmp_path / "f60c28.crt").exists()
    assert "cannot be reached" not in check


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tls_1_1_is_refused(server):
    context = trusting(server)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1

    with pytest.raises(ssl.SSLError, match=r"(?i)protocol version"):
        secure(server, context)


def test_plain_http_is_told_to_use_https_and_none_of_it_is_read(server, plain):
    answer = read_to_the_end(plain(GET.replace(b"/health", b"/ca/CANARY-7") * 3))

    assert answer.startswith(b"HTTP/1.1 400 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["message"] == "TLS is spoken here: use https://."
    assert answer.count(b"HTTP/1.1") == 1
    assert "CANARY-7" not in server.log


def test_who_stalls_in_the_handshake_or_speaks_no_tls_holds_no_thread(server, plain):
    hello = client_hello(server)
    stalled = [plain(octets) for octets in (b"", hello[:5], hello[:100], hello) for _ in range(MANY)]
    others = [plain(octets) for octets in (GET, b"\x16\x03\x01\xff\xff garbage", b"garbage") for _ in range(MANY)]

    for _ in range(3):
        assert server.get("/ca/IOTmidCA").status == 200

    assert all(is_open(connection) for connection in stalled)
    assert len(others) == 3 * MANY


def test_requests_that_come_octet_by_octet_or_at_once_are_answered_in_their_order(server):
    with secure(server) as connection:
        for octet in GET:
            connection.sendall(bytes([octet]))
        connection.sendall(GET.replace(b"/health", b"/unknown") + GET.replace(b"GET", b"HEAD") + GET[:-2])
        connection.sendall(b"Connection: close\r\n\r\n")
        answers = read_to_the_end(connection).split(b"HTTP/1.1 ")[1:]

    assert [answer[:3] for answer in answers] == [b"200", b"404", b"200", b"200"]


def test_who_reads_late_gets_all_of_every_answer(server):
    number = 60
    requests = GET.replace(b"/health", b"/openapi.json") * (number - 1) + GET[:-2] + b"Connection: close\r\n\r\n"
    with secure(server) as connection:
        connection.sendall(requests)
        assert server.get("/health").status == 200
        answers = read_to_the_end(connection).split(b"HTTP/1.1 200 ")[1:]

    bodies = [answer.partition(b"\r\n\r\n")[2] for answer in answers]
    assert len(bodies) == number
    assert len(set(bodies[:-1])) == 1
    assert json.loads(bodies[0])["openapi"].startswith("3.1")


# Client certificates


def enrolled(server, name: str, number: int) -> ssl.SSLContext:
    """What shows a certificate that the server has issued."""
    assert server.register(name).status == 200
    answer = server.sign(name, one_line(csr(name, signing_key=key(number))))
    return showing(server, name, wrapped(answer.certificate).encode(), number)


def showing(server, name: str, certificate: bytes, number: int) -> ssl.SSLContext:
    private = key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (server.base / f"{name}.crt").write_bytes(certificate)
    (server.base / f"{name}.key").write_bytes(private)
    context = trusting(server)
    context.load_cert_chain(server.base / f"{name}.crt", server.base / f"{name}.key")
    return context


def ask(server, context: ssl.SSLContext, username: str, **headers: str) -> int:
    """Register an end entity; return the status."""
    body = json.dumps({"username": username, "password": PASSWORD})
    with closing(http.client.HTTPSConnection("localhost", server.port, timeout=30, context=context)) as connection:
        connection.request("POST", "/user", body, {"Content-Type": "application/json", **headers})
        with connection.getresponse() as answer:
            return answer.status


def test_client_certificate_has_the_role_it_was_admitted_for_until_it_is_revoked(server):
    alice, device = enrolled(server, "alice", 1), enrolled(server, "device", 2)
    admitted = ("--role", "registrar", "--tenant", "A", "--certificate", server.base / "alice.crt")
    midca(server, "token", "create", "alice", *admitted)
    claimed = {
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-Cert": "".join((server.base / "alice.crt").read_text().split("\n")),
    }

    assert ask(server, alice, "A:x") == 200
    assert ask(server, alice, "B:x") == 403
    assert ask(server, device, "A:x") == 401
    assert ask(server, device, "A:x", **claimed) == 401
    assert ask(server, trusting(server), "A:x") == 401
    assert server.sql("SELECT DISTINCT status FROM end_entities WHERE username = 'A:x'") == [(10,)]

    server.delete("/user/alice")
    assert ask(server, alice, "A:x") == 401


def test_certificate_of_a_stranger_ends_the_connection(server):
    request = server.base / "stranger.pem"
    options = ("-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", request, "-out", request, "-subj", "/CN=alice")
    assert run("openssl", "req", *options).returncode == 0
    context = trusting(server)
    context.load_cert_chain(request)

    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask(server, context, "A:x")
    assert server.get("/health").status == 200


def test_client_that_is_gone_in_the_middle_of_a_request_showed_no_certificate(server):
    """OpenSSL then takes its connection for one whose handshake is still to be made."""
    connection = secure(server)
    connection.sendall(b"POST /sign/gone/pkcs10 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf")
    connection.shutdown(socket.SHUT_WR)  # not closed: with a ticket of the server's unread, that would be a reset

    server.wait_for(lambda: '"/sign/gone/pkcs10", "status": 400' in server.log)
    connection.close()


# Files that change


def serial(server) -> str:
    with secure(server) as connection:
        return connection.getpeercert()["serialNumber"]


def test_renewed_certificate_is_used_after_a_reload_and_a_broken_one_is_not(server):
    before, workers = serial(server), server.workers()
    midca(server, "entity", "rearm", "localhost", "--password-file", server.base / "password")
    password = ("--password-file", server.base / "password", "--chain")
    assert run("openssl", "req", "-new", "-key", "tls.key", "-out", "2.csr", "-subj", "/CN=localhost",
               "-addext", "subjectAltName=DNS:localhost", cwd=server.base).returncode == 0  # fmt: skip
    renewed = run(MIDCA, "sign", "localhost", "2.csr", *password, env=server.environment, cwd=server.base)
    assert renewed.returncode == 0, renewed.stderr
    shutil.copy(server.base / "tls.crt", server.base / "old.crt")
    (server.base / "tls.crt").write_text(renewed.stdout)
    assert serial(server) == before

    midca(server, "reload")
    server.wait_for(lambda: server.workers() and not set(server.workers()) & set(workers))
    after = serial(server)
    assert after != before

    (server.base / "tls.key").chmod(0o644)
    workers = server.workers()
    assert "tls.key can be read by others" in midca(server, "reload", status=3)
    server.process.send_signal(signal.SIGHUP)
    server.wait_for(lambda: server.workers() and not set(server.workers()) & set(workers))
    (server.base / "tls.key").chmod(0o600)

    assert serial(server) == after
    assert "the TLS certificate stays as it was" in server.log


def test_files_that_do_not_fit_stop_the_start_with_a_sentence_and_make_nothing(make_server, tmp_path):
    refused = make_server(oracle=False)
    refused.environment |= {"MIDCA_TLS_CERTIFICATE": str(tmp_path / "none.crt"), "MIDCA_TLS_KEY": str(tmp_path / "k")}
    refused.start(wait=False)

    assert refused.wait() == 3
    assert refused.log == f"midca: {tmp_path}/none.crt holds no certificate: No such file or directory.\n"
    assert not refused.data.exists()


def test_who_sends_more_than_is_read_hears_why(server):
    """The answer goes out while the rest still comes in, which TLS must not take for the end (RFC 9112 section 9.6)."""
    context = ssl.create_default_context(cafile=server.base / "ca.pem")
    plain = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    with context.wrap_socket(plain, server_hostname="localhost") as connection:
        connection.sendall(b"POST /user HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n")
        for _ in range(20):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.01)
        answer = connection.recv(65536)

    assert answer.startswith(b"HTTP/1.1 4")
