"""What HTTP itself can carry that no honest client sends (A38 to A41)."""

import gzip
import io
import json

import pytest

from tests.builders import csr, one_line

REQUEST = one_line(csr())
GOOD = {"passwd": "dojot", "certificate": REQUEST}
TYPE = "application/json"


@pytest.fixture(params=["/sign/f60c28/pkcs10", "/user"])
def post(request, client, admin, installation):
    """Send bytes to each of the two routes that read a body."""
    installation.add()
    before = installation.sql("SELECT * FROM end_entities")

    def post(data, content_type=TYPE, **headers):
        return client.post(request.param, data=data, headers={**admin, "Content-Type": content_type, **headers})

    yield post
    assert installation.certificates() == 0
    assert installation.sql("SELECT * FROM end_entities") == before


def refused(answer, status, message=None) -> bool:
    return (
        answer.status_code == status
        and set(answer.json) == {"message", "status"}
        and answer.json["status"] == status
        and message in {None, answer.json["message"]}
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"{",
        b"garbage",
        b"null",
        b"true",
        b"1",
        b'"text"',
        b"[]",
        b"[{}]",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'{"username": "x", "username": "y", "passwd": "p", "certificate": "c"}',
        b'{"username": "x", "passwd": "p", "certificate": "c", "a": NaN}',
        b'{"username": "x", "passwd": "p", "certificate": "c", "a": -Infinity}',
        b'{"username": "x", "passwd": "p", "certificate": "c", "a": ' + b"9" * 5000 + b"}",
        b'{"username": "x", "passwd": "\\ud800", "certificate": "c"}',
        b'{"username": "\\ud800", "passwd": "p", "certificate": "c"}',
        b'{"username": "x", "passwd": "p", "certificate": "c", "\\ud800": 1}',
        b'{"username": "x", "passwd": "p", "certificate": "c", "a": {"b": 1, "b": 2}}',
        b'{"username": "x\xff", "passwd": "p", "certificate": "c"}',
        b'\xef\xbb\xbf{"username": "x", "passwd": "p", "certificate": "c"}',
        json.dumps(GOOD | {"username": "x"}).encode("utf-16"),
        json.dumps(GOOD | {"username": "x"}).encode("utf-32-le"),
        b'{"username": "x", "passwd": "p", "certificate": "c"} trailing',
        b"{'username': 'x', 'passwd': 'p', 'certificate': 'c'}",
    ],
    ids=lambda data: ascii(data[:40]),
)
def test_body_that_is_no_strict_json_object_is_refused(post, data):
    """A38."""
    assert refused(post(data), 400, "malformed JSON")


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "text/plain",
        "text/json",
        "application/x-www-form-urlencoded",
        "application/jsonx",
        "application/json-patch+json",
    ],
)
def test_other_content_type_is_refused(post, content_type):
    """A38."""
    assert refused(post(json.dumps(GOOD | {"username": "x"}), content_type), 400, "invalid mimetype")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_content_type_with_a_parameter_or_in_capitals_is_json(client, installation, content_type):
    installation.add()

    answer = client.post("/sign/f60c28/pkcs10", data=json.dumps(GOOD), headers={"Content-Type": content_type})

    assert answer.status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", ""])
def test_compressed_body_is_refused(post, encoding):
    """A38."""
    data = gzip.compress(json.dumps(GOOD | {"username": "x"}).encode())

    assert refused(post(data, **{"Content-Encoding": encoding}), 415)


@pytest.mark.parametrize("size", [64 * 1024 + 1, 10_000_000])
def test_body_that_is_too_large_is_refused(post, size):
    """A38."""
    assert refused(post(b" " * size), 413)


def test_body_without_a_length_is_cut_off_at_the_limit(client, installation):
    """A38: chunked."""
    installation.add()

    answer = client.post(
        "/sign/f60c28/pkcs10",
        content_type=TYPE,
        input_stream=io.BytesIO(b" " * 70_000),
        environ_overrides={"wsgi.input_terminated": True},
    )

    assert refused(answer, 413)


# Paths and methods


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/unknown",
        "/ca//IOTmidCA",
        "/ca/IOTmidCA/x",
        "/CA",
        "/sign",
        "/sign/f60c28",
        "/sign/f60c28/pkcs7",
        "/user//",
        "/static/x",
        "/ca/..%2f..%2fetc%2fpasswd",
        "/ca/%2fetc%2fpasswd",
        "/sign/../user/pkcs10x",
    ],
)
def test_path_nobody_serves_is_not_found_in_json(client, path):
    """A40."""
    assert refused(client.get(path), 404)


@pytest.mark.parametrize("path", ["//ca", "//ca/IOTmidCA", "//user", "///user", "//health"])
def test_path_that_begins_with_two_slashes_is_not_read_as_one_with_one(client, admin, path):
    """A40: a client of werkzeug's takes the second for the start of a host, so the path is set behind it."""
    assert refused(client.get("/", environ_overrides={"PATH_INFO": path}, headers=admin), 404)


@pytest.mark.parametrize(
    "name",
    ["..", ".", "%2e%2e", "a%00b", "a%0ab", "a%0d%0ab", "%ff", "%c0%ae", "%ed%a0%80", "%e2%80%ae", "..%5c..%5cx"],
)
@pytest.mark.parametrize("route", ["/ca/{}", "/user/{}"])
def test_odd_name_in_a_path_is_only_a_name_that_does_not_exist(client, admin, route, name):
    """A40."""
    answer = client.get(route.format(name), headers=admin)

    assert answer.status_code in {400, 404}
    assert set(answer.json) == {"message", "status"}


@pytest.mark.both_databases
@pytest.mark.parametrize(
    "path",
    [
        "/user/a%00b",
        "DELETE /user/a%00b",
        "/user/a%00b/find",
        "/ca/a%00b/crl",
        "/ca/IOTmidCA/certificate/a%00b",
        "/ca/IOTmidCA/certificate/a%00b/status",
        "/ca/IOTmidCA/revocations?since=1.%00",
        "/pki/a%00b.crl",
        "/profiles/a%00b",
    ],
)
def test_nul_is_what_the_caller_did_wrong(client, admin, path):
    """A40. An answer of 503 would have it sent again and again."""
    method, _, rest = path.rpartition(" ")
    assert client.open(rest, method=method or "GET", headers=admin).status_code in {400, 404, 409}


@pytest.mark.parametrize("name", ["..", "%2e%2e", "a%00b", "a%0ab", "%ff", "%e2%80%ae", "a" * 1900])
def test_odd_name_in_a_path_signs_nothing(client, installation, name):
    """A40."""
    answer = client.post(f"/sign/{name}/pkcs10", json=GOOD)

    assert refused(answer, 400)
    assert installation.certificates() == 0


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/ca", {"GET", "HEAD"}),
        ("DELETE", "/ca/IOTmidCA", {"GET", "HEAD"}),
        ("GET", "/sign/f60c28/pkcs10", {"POST"}),
        ("PUT", "/user", {"POST"}),
        ("PATCH", "/user/f60c28", {"GET", "HEAD", "DELETE"}),
        ("OPTIONS", "/user", {"POST"}),
        ("TRACE", "/ca", {"GET", "HEAD"}),
        ("BREW", "/ca", {"GET", "HEAD"}),
    ],
)
def test_method_nobody_serves_is_refused_in_json_with_those_that_are(client, method, path, allowed):
    answer = client.open(path, method=method)

    assert refused(answer, 405)
    assert set(answer.headers["Allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize("path", ["/ca", "/ca/IOTmidCA", "/user/f60c28", "/health"])
def test_head_answers_like_get_without_a_body_and_changes_nothing(client, admin, installation, path):
    """A42."""
    installation.add()
    before = installation.last_audit()

    answer = client.head(path, headers=admin)

    assert (answer.status_code, answer.data) == (200, b"")
    assert installation.last_audit() == before


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Method-Override": "DELETE"},
        {"X-Forwarded-Prefix": "/user"},
        {"X-Script-Name": "/user"},
        {"X-Rewrite-URL": "/user/f60c28"},
        {"Host": "evil.example"},
    ],
    ids=str,
)
def test_header_that_names_another_method_or_path_has_no_effect(client, admin, installation, headers):
    """A39."""
    installation.add()
    before = installation.sql("SELECT * FROM end_entities")

    answer = client.get("/user/f60c28", headers={**admin, **headers})

    assert answer.status_code == 200
    assert "evil" not in answer.text
    assert installation.sql("SELECT * FROM end_entities") == before


def test_form_with_a_method_has_no_effect(client, admin, installation):
    """A39."""
    installation.add()

    assert client.post("/user/f60c28", data={"_method": "DELETE"}, headers=admin).status_code == 405
