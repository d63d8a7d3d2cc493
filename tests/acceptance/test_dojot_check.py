"""``midca dojot check`` against a real midca, what EJBCA-REST answered, gateways of all sorts, and nobody."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from app.client.http_server import HttpServer
from app.frontends.admin_cli import cli
from tests.acceptance.server import free_port
from tests.builders import key
from tests.gateway import PASSWORD, USER, token

HTML = b"<!DOCTYPE HTML><title>dojot</title>"
Answers = Callable[[str, str], tuple[int, bytes, dict[str, str]]]


def check(*arguments: str, status: int, **environment: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return verdict and text of each check of each URL, once as people see them and once as programs do."""
    command = ["dojot", "check", *arguments]
    done = CliRunner().invoke(cli, [*command, "--json"], env=environment)
    assert done.exit_code == status, done.output
    found = json.loads(done.stdout)
    shown = CliRunner().invoke(cli, command, env=environment).stdout
    for finding in (finding for findings in found.values() for finding in findings):
        assert finding["check"] in shown
        assert finding["next"] in shown
    return {
        url: {finding["check"]: (finding["verdict"], f"{finding['seen']} {finding['next']}") for finding in findings}
        for url, findings in found.items()
    }


def problems(found: dict[str, tuple[str, str]]) -> set[str]:
    return {name for name, (verdict, _) in found.items() if verdict == "problem"}


@pytest.fixture
def make_peer():
    """Serve answers that are made up; return the URL."""
    running = []

    def make(answers: Answers) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body, headers = answers(self.path, self.headers.get("Authorization", ""))
                self.send_response_only(status)
                own = {"Content-Length": str(len(body)), "Date": self.date_time_string()}
                for name, value in {**own, **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield make
    for server in running:
        server.shutdown()
        server.server_close()


def ejbca_rest(crl_hours: float = 24) -> Answers:
    """Answer as EJBCA-REST v0.4.3: Flask's own pages for what it does not know, a self-signed CA, open to everybody."""
    now, name = datetime.now(UTC), x509.Name.from_rfc4514_string("CN=IOTmidCA,O=EJBCA IOT,C=SE")
    begun, signing_key = now - timedelta(days=1), key(77)
    certificate = (
        x509.CertificateBuilder(name, name, signing_key.public_key(), 1, begun, now + timedelta(days=650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(signing_key, hashes.SHA256())
    )
    crl = (
        x509.CertificateRevocationListBuilder(name, begun, now + timedelta(hours=crl_hours))
        .add_extension(x509.CRLNumber(3), critical=False)
        .sign(signing_key, hashes.SHA256())
    )
    html = {"Content-Type": "text/html"}

    def answer(path: str, _authorization: str) -> tuple[int, bytes, dict[str, str]]:
        known = {
            "/ca": {"CAs": [{"id": 576968287, "name": "IOTmidCA"}, {"id": -1371917878, "name": "PROTOCOL"}]},
            "/ca/IOTmidCA": {"certificate": inner(certificate.public_bytes(Encoding.PEM))},
            "/ca/IOTmidCA/crl": {"CRL": inner(crl.public_bytes(Encoding.PEM)).replace("\n", "")},
            "/ejbca/version": {"version": "EJBCA 6.3.1.1 Community (r21429)"},
        }
        if path in known:
            return 200, json.dumps(known[path]).encode(), {"Content-Type": "application/json"}
        if path.startswith("/user/"):
            return 404, b'{"message": "no certificates found", "status": 404}', {}
        return (405 if path.startswith("/sign/") else 404), HTML, html

    return answer


def inner(pem: bytes) -> str:
    return "\n".join(pem.decode().splitlines()[1:-1])


def passed_on(port: int) -> Answers:
    """Answer as midca at that port."""

    def answer(path: str, _authorization: str) -> tuple[int, bytes, dict[str, str]]:
        found = HttpServer("127.0.0.1", port).ask("GET", path)
        return found.status, found.body, {"Content-Type": found.headers["Content-Type"]}

    return answer


def behind_kong(answers: Answers, *, asks: bool = True, routed: bool = True) -> Answers:
    """Answer as Kong 0.11 in front: with its marks, for who has a token, and below the paths that it knows."""

    def answer(path: str, authorization: str) -> tuple[int, bytes, dict[str, str]]:
        if not routed or not path.startswith(("/ca", "/sign", "/user")):
            return 200, HTML, {"Content-Type": "text/html", "Via": "kong/0.11.2"}
        if asks and not authorization:
            return 401, b'{"message":"Unauthorized"}', {"Server": "kong/0.11.2"}
        status, body, headers = answers(path, authorization)
        return status, body, headers | {"Via": "kong/0.11.2"}

    return answer


@pytest.fixture
def token_file(tmp_path):
    (tmp_path / "token").write_text(token())
    return str(tmp_path / "token")


def test_midca_itself_is_good_but_for_the_events_that_nobody_reads(shared_server):
    url = f"http://127.0.0.1:{shared_server.port}"

    (found,) = check(url, status=1).values()

    assert problems(found) == {"device events"}
    assert "MIDCA_KAFKA_BROKERS" in found["device events"][1]
    assert found["software"][1].startswith("midca 0.1.0")
    assert found["chain"][0] == "note"
    assert "--cafile needs all 2 certificates" in found["chain"][1]
    assert found["user"][0] == found["sign"][0] == found["revocation list"][0] == found["readiness"][0] == "ok"


def test_midca_behind_a_gateway_is_seen_with_a_log_in_and_to_be_the_same(shared_server, gateway):
    direct = f"http://127.0.0.1:{shared_server.port}"
    found = check(gateway.url, "--direct", direct, status=1, DOJOT_USERNAME=USER, DOJOT_PASSWORD=PASSWORD)

    assert problems(found[gateway.url]) == problems(found[direct]) == {"device events"}
    assert found[direct]["same CA"][0] == "ok"


def test_midca_behind_kong_is_known_and_good_as_far_as_kong_shows_it(shared_server, make_peer, token_file):
    url = make_peer(behind_kong(passed_on(shared_server.port)))

    found = check(url, "--token-file", token_file, status=0)[url]

    assert found["software"] == ("ok", "midca. ")
    assert found["readiness"][0] == "unknown"
    assert "Kong lets nobody through" in found["token"][1]
    assert "user of the token" not in found, "that midca does not believe Kong yet"


def test_a_container_of_dojot_is_told_what_it_may_do_and_that_events_are_read(make_server, base):
    server = make_server(base, workers=2)
    server.environment |= {"MIDCA_TRUSTED_NETWORKS": "127.0.0.0/8", "MIDCA_KAFKA_BROKERS": f"127.0.0.1:{free_port()}"}
    with server:
        url = f"http://127.0.0.1:{server.port}"
        found = check(url, status=0)[url]

    assert found["device events"][0] == "ok"
    assert found["user"][0] == "note"
    assert "narrow MIDCA_TRUSTED_NETWORKS" in found["user"][1]


def test_without_a_token_nothing_is_seen_behind_a_gateway(gateway):
    found = check(gateway.url, status=0)[gateway.url]

    assert found["answer"][0] == "unknown"
    assert found.keys() == {"transport", "clock", "token", "answer"}


def test_nothing_is_changed(shared_server, gateway, token_file):
    def state() -> list[tuple]:
        tables = "audit_log", "end_entities", "password_failures", "revocation_lists"
        return [shared_server.sql(f"SELECT count(*) FROM {table}") for table in tables]  # noqa: S608 -- ours

    before = state()
    check(gateway.url, "--token-file", token_file, "--direct", f"http://127.0.0.1:{shared_server.port}", status=1)

    assert state() == before


def test_ejbca_rest_is_known_and_told_to_be_replaced(make_peer):
    url = make_peer(ejbca_rest())

    found = check(url, status=1)[url]

    assert problems(found) == {"software", "user"}
    assert "EJBCA 6.3.1.1 Community (r21429)" in found["software"][1]
    assert "docs/dojot.md" in found["software"][1]
    assert found["chain"][0] == "ok"


def test_ejbca_rest_behind_kong_is_known_by_how_it_refuses(make_peer, token_file):
    url = make_peer(behind_kong(ejbca_rest()))

    found = check(url, "--token-file", token_file, status=1)[url]

    assert problems(found) == {"software"}
    assert "EJBCA-REST" in found["software"][1]
    assert "Kong lets nobody through without a token" in found["token"][1]
    assert found["user of the token"][0] == "note"


def test_a_gateway_that_still_leads_to_the_old_ca_is_told_of(make_peer, shared_server, token_file):
    direct = f"http://127.0.0.1:{shared_server.port}"

    found = check(make_peer(behind_kong(ejbca_rest())), "--token-file", token_file, "--direct", direct, status=1)

    assert found[direct]["same CA"][0] == "problem"


def test_kong_that_asks_nobody_for_a_token_is_told_of(make_peer):
    url = make_peer(behind_kong(ejbca_rest(), asks=False))

    found = check(url, status=1)[url]

    assert {"token", "user"} <= problems(found)
    assert "Whoever reaches Kong may manage end entities" in found["user"][1]


def test_kong_that_shows_its_user_interface_has_no_route(make_peer):
    url = make_peer(behind_kong(ejbca_rest(), routed=False))

    found = check(url, status=1)[url]

    assert problems(found) == {"answer"}
    assert "web page" in found["answer"][1]
    assert "kong-0.11.sh" in found["answer"][1]


@pytest.mark.parametrize(
    ("status", "message", "told"),
    [
        (404, "no Route matched with those values", "has no route for /ca"),
        (404, "no API found with those values", "has no route for /ca"),
        (502, "An invalid response was received from the upstream server", "does not reach the CA"),
        (503, "name resolution failed", "does not reach the CA"),
        (403, "", "ro_ca and wo_sign"),
        (500, "", "Is that the URL"),
        (200, "something else", "Is that the URL"),
    ],
)
def test_what_a_gateway_answers_in_the_place_of_a_ca_is_explained(make_peer, status, message, told):
    url = make_peer(lambda *_: (status, json.dumps({"message": message}).encode(), {"Server": "kong/2.8.1"}))

    found = check(url, status=1)[url]

    assert problems(found) == {"answer"}
    assert told in found["answer"][1]


@pytest.mark.parametrize("name", ["IOTmidCA", 7])
def test_what_makes_no_sense_is_told_and_nothing_worse(make_peer, name):
    nonsense = {
        "CAs": [7, {"name": name}],
        "certificate": 7,
        "CRL": [],
        "version": 7,
        "message": [],
        "checks": {"x": 7},
    }
    url = make_peer(lambda *_: (200, json.dumps(nonsense).encode(), {"Date": "yesterday"}))

    found = check(url, status=1)[url]

    assert found["clock"][0] == "unknown"
    assert {"software", "authority", "sign"} <= problems(found)


def test_a_token_that_is_not_accepted_is_said_so(gateway, tmp_path):
    (tmp_path / "token").write_text(token(-1))

    assert (
        "not accepted"
        in check(gateway.url, "--token-file", str(tmp_path / "token"), status=1)[gateway.url]["answer"][1]
    )


@pytest.mark.parametrize(("hours", "verdict"), [(-1, "problem"), (3, "note"), (24, "ok")])
def test_a_list_that_runs_out_is_told_of(make_peer, hours, verdict):
    url = make_peer(ejbca_rest(hours))

    assert check(url, status=1)[url]["revocation list"][0] == verdict


def test_a_clock_that_is_wrong_is_told_of(make_peer):
    def late(path: str, authorization: str) -> tuple[int, bytes, dict[str, str]]:
        status, body, headers = ejbca(path, authorization)
        return status, body, headers | {"Date": "Mon, 06 Jan 2020 10:00:00 GMT"}

    ejbca = ejbca_rest()

    url = make_peer(late)
    assert "clock" in problems(check(url, status=1)[url])


def test_where_nothing_listens_that_is_all_that_is_said():
    url = f"http://127.0.0.1:{free_port()}"

    found = check(url, status=1)[url]

    assert found.keys() == {"answer"}
    assert "nobody listens there" in found["answer"][1]


def test_a_ca_of_another_name_is_looked_for_and_not_found(shared_server):
    url = f"http://127.0.0.1:{shared_server.port}"

    found = check(url, "--ca", "Other", status=1)[url]

    assert "IOTmidCA" in found["authority"][1]
    assert "authority" in problems(found)


@pytest.mark.parametrize("url", ["ftp://x", "", "http://user:secret@host"])
def test_what_is_no_url_is_refused_and_not_said_again(url):
    done = CliRunner().invoke(cli, ["dojot", "check", url])

    assert done.exit_code == 1
    assert "not the URL of a server" in done.stderr
    assert "secret" not in done.output


def test_a_log_in_that_fails_is_no_finding(gateway):
    done = CliRunner().invoke(cli, ["dojot", "check", gateway.url, "-u", USER], env={"DOJOT_PASSWORD": "wrong"})

    assert done.exit_code == 1
    assert "wrong user or password" in done.stderr
