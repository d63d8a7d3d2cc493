"""One line a request, which nobody forges and no password reaches."""

import json
import logging

import pytest

from app.logs import JsonFormatter, TextFormatter
from app.web import create_app
from tests.builders import csr, key, one_line

CANARY = "CANARY-f3b1c9"
REQUEST = one_line(csr())


@pytest.fixture
def log(caplog):
    """What the program logs, each record as its line of JSON."""
    caplog.set_level(logging.DEBUG)
    caplog.handler.setFormatter(JsonFormatter())
    return caplog


def lines(log) -> list[dict]:
    return [json.loads(line) for line in log.text.splitlines()]


def test_request_is_one_line_of_json(client, log):
    client.get("/ca/IOTmidCA", headers={"X-Request-Id": "abc-1"})

    (line,) = lines(log)
    assert {name: line[name] for name in ("method", "path", "status", "request_id", "address", "outcome", "level")} == {
        "method": "GET",
        "path": "/ca/IOTmidCA",
        "status": 200,
        "request_id": "abc-1",
        "address": "127.0.0.1",
        "outcome": "ok",
        "level": "info",
    }
    assert line["time"].endswith("Z")
    assert line["ms"] >= 0


def test_enrolment_is_logged_with_its_end_entity_and_serial(client, log, installation):
    installation.add()
    client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": REQUEST})

    line = lines(log)[-1]
    assert line["entity"] == "f60c28"
    assert line["serial"] == installation.services.certificates.of_user("f60c28")[0].serial


def test_refusal_is_logged_with_its_reason(client, log):
    client.post("/sign/nobody/pkcs10", json={"passwd": "dojot", "certificate": REQUEST})

    line = lines(log)[-1]
    assert (line["outcome"], line["reason"]) == ("WrongPassword", "Wrong username or password")


@pytest.mark.parametrize("given", ["a" * 65, "", "a b", "a\x1b[2J", 'a","level":"error', "é", "a;b"], ids=ascii)
def test_request_id_that_could_forge_a_line_is_replaced(client, log, given):
    answer = client.get("/health", headers={"X-Request-Id": given})

    assert answer.headers["X-Request-Id"] != given
    assert len(answer.headers["X-Request-Id"]) == 32
    assert lines(log)[0]["request_id"] == answer.headers["X-Request-Id"]


@pytest.mark.parametrize(
    "path",
    [
        "/ca/x%0a%7b%22level%22:%22error%22%7d",
        "/ca/x%0d%0aforged",
        "/ca/%1b%5b2J%1b%5b31mred",
        "/ca/%e2%80%a8forged",
        "/ca/%c2%85forged",
        "/ca/%22,%22status%22:200,%22x%22:%22",
        "/ca/%e2%80%ae",
        "/ca/%00",
    ],
)
@pytest.mark.parametrize("formatter", [JsonFormatter(), TextFormatter()], ids=["json", "text"])
def test_path_cannot_forge_a_line(client, caplog, path, formatter):
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(formatter)
    client.get(path)

    assert caplog.text.count("\n") == 1
    assert caplog.text.rstrip("\n").isascii()
    assert caplog.text.rstrip("\n").isprintable()
    if isinstance(formatter, JsonFormatter):
        assert json.loads(caplog.text)["status"] == 400


def test_name_cannot_forge_a_line(client, log, admin):
    client.post("/user", json={"username": "x\n{}\x1b"}, headers=admin)

    assert len(lines(log)) == 1
    assert log.text.rstrip("\n").isprintable()


def test_method_nobody_knows_is_not_repeated(client, log):
    client.open("/ca", method="FORGED")

    assert lines(log)[0]["method"] == "other"
    assert "FORGED" not in log.text


def test_long_path_is_cut(client, log):
    client.get("/ca/" + "a" * 1500)

    assert len(log.text) < 1500


def test_bug_is_answered_without_its_details_and_logged_with_them(installation, log):
    app = create_app(installation.services)

    def broken():
        raise RuntimeError("the details")

    app.view_functions["_health"] = broken

    answer = app.test_client().get("/health")

    assert (answer.status_code, answer.json) == (500, {"message": "internal error", "status": 500})
    assert "the details" in next(line for line in lines(log) if "traceback" in line)["traceback"]


# A password shows up nowhere (A62)


def bodies() -> list[tuple[str, bytes | str]]:
    """Requests with the canary as a password, good and bad, each with its path."""
    sign = "/sign/f60c28/pkcs10"
    good = {"passwd": CANARY, "certificate": REQUEST}
    return [
        ("/user", json.dumps({"username": "f60c28", "password": CANARY})),
        (sign, json.dumps(good | {"certificate": "junk"})),
        (sign, json.dumps(good | {"certificate": f"-----BEGIN {CANARY}"})),
        (sign, json.dumps(good | {"passwd": CANARY + "wrong"})),
        ("/sign/nobody/pkcs10", json.dumps(good)),
        (sign, json.dumps(good)),
        (sign, json.dumps(good)),
        (sign, json.dumps(good | {"certificate": one_line(csr(signing_key=key(1)))})),
        (sign, json.dumps(good)[:-1]),
        (sign, json.dumps({"passwd": [CANARY], "certificate": REQUEST})),
        (sign, json.dumps({"passwd": CANARY})),
        (sign, json.dumps(good | {"passwd": CANARY + "\0"})),
        (sign, json.dumps(good | {"passwd": CANARY * 200})),
        (sign, json.dumps(good).encode("utf-16")),
        ("/user", json.dumps({"username": "second", "password": [CANARY]})),
        ("/user", json.dumps({"username": "second", "password": CANARY + "\0"})),
        ("/user", json.dumps({"username": "second", "password": CANARY, "caName": "none"})),
        ("/user", json.dumps({"username": "second", "password": CANARY, "status": "x"})),
        ("/user", json.dumps({"username": "second", "password": CANARY, "status": 99})),
        ("/user", json.dumps({"password": CANARY})),
        ("/user", f'{{"username": "second", "password": "{CANARY}"'),
    ]


def test_password_is_in_no_log_answer_or_file(client, admin, log, installation):
    """A62."""
    answers = [
        client.post(path, data=data, content_type="application/json", headers=admin if path == "/user" else {})
        for path, data in bodies()
    ]

    assert {answer.status_code for answer in answers} == {200, 400}
    assert not [answer.text for answer in answers if CANARY in answer.text]
    assert all(CANARY not in str(answer.headers) for answer in answers)
    assert CANARY not in log.text
    assert len(lines(log)) >= len(answers)
    files = [path for path in installation.settings.data.rglob("*") if path.is_file()]
    assert not [path for path in files if CANARY.encode() in path.read_bytes()]
    assert CANARY.encode() not in installation.database_bytes()


def test_password_is_in_no_traceback(installation, log):
    """A62."""
    installation.add(password=CANARY)
    installation.break_inserts("certificates")
    client = create_app(installation.services).test_client()

    answer = client.post("/sign/f60c28/pkcs10", json={"passwd": CANARY, "certificate": REQUEST})

    assert answer.status_code >= 500
    assert CANARY not in log.text + answer.text


def test_admin_token_is_in_no_log_or_answer(client, admin, log):
    token = admin["Authorization"].removeprefix("Bearer ")
    answer = client.get("/user/f60c28", headers=admin)

    assert token not in log.text + answer.text + str(answer.headers)
