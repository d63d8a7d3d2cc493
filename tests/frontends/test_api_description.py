"""``/openapi.json`` and ``/docs``: every route is described, and by the rules of OpenAPI."""

import re

import pytest
from openapi_spec_validator import validate

from app.http_access import ACCESS, Access
from app.web import create_app

pytestmark = pytest.mark.one_database

PAGES = ["/openapi.json", "/docs", "/docs/style.css"]
TOKEN = {"token": []}
SECURITY = {
    Access.PUBLIC: [],
    Access.ENTITY_PASSWORD: [TOKEN, {}],
    Access.ENTITY_HOLDER: [{"password": []}, {"certificate": []}],
    Access.ENTITY_READER: [TOKEN, {}],
    Access.REGISTRAR: [TOKEN, {}],
    Access.READER: [TOKEN],
    Access.REVOKER: [TOKEN],
    Access.MONITOR: [TOKEN, {}],
    Access.ADMIN: [TOKEN],
}


@pytest.fixture
def document(client) -> dict:
    return client.get("/openapi.json").json


def as_path(rule: str) -> str:
    return re.sub(r"<(?:[^<>:]+:)?(\w+)>", r"{\1}", rule)


def operations(document: dict) -> dict[tuple[str, str], dict]:
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def undescribed(app) -> list[str]:
    """Say for each route that is not in the document what to write where."""
    described = operations(app.test_client().get("/openapi.json").json)
    return [
        f"{method} {rule.rule} is not in /openapi.json: put @described(…) of app/http_description.py under the route "
        f"of {app.view_functions[rule.endpoint].__name__}, and the route into ACCESS of app/http_frontend.py"
        for rule in app.url_map.iter_rules()
        for method in rule.methods - {"HEAD"}
        if (method, as_path(rule.rule)) not in described
    ]


def test_document_is_openapi(document):
    assert document["openapi"].startswith("3.1")
    validate(document)


def test_every_route_is_described(app):
    assert undescribed(app) == []


def test_route_that_nobody_described_is_named_with_what_to_do(installation):
    app = create_app(installation.services)
    app.add_url_rule("/forgotten/<name>", view_func=lambda **_: "", methods=["GET"])

    assert len(undescribed(app)) == 1
    assert "GET /forgotten/<name>" in undescribed(app)[0]


def test_nothing_is_described_that_is_no_route(document):
    assert set(operations(document)) == {(method, as_path(rule)) for method, rule in ACCESS}


@pytest.mark.parametrize("route", sorted(ACCESS), ids=" ".join)
def test_description_says_who_may_call(document, route):
    method, rule = route
    operation = operations(document)[method, as_path(rule)]

    assert operation["security"] == SECURITY[ACCESS[route]]
    assert operation["x-midca-access"] == ACCESS[route].who
    assert ("401" in operation["responses"]) == bool(operation["security"])


@pytest.mark.parametrize("route", sorted(ACCESS), ids=" ".join)
def test_description_is_a_sentence_and_every_parameter_is_explained(document, route):
    method, rule = route
    operation = operations(document)[method, as_path(rule)]

    assert re.fullmatch(r"[A-Z].*[.:)]", operation["summary"], re.DOTALL)
    for parameter in operation["parameters"]:
        assert parameter["in"] == "header" or parameter["description"]


def test_every_refusal_has_the_one_shape(document):
    for route, operation in operations(document).items():
        for status, response in operation["responses"].items():
            if int(status) >= 400 and route != ("GET", "/ready"):
                assert response["content"]["application/json"]["schema"]["$ref"].endswith("/Refused")


@pytest.mark.parametrize("path", PAGES)
def test_who_has_the_page_gets_not_modified(client, path):
    first = client.get(path)
    second = client.get(path, headers={"If-None-Match": first.headers["ETag"]})

    assert (first.status_code, second.status_code, second.data) == (200, 304, b"")
    assert "no-cache" in first.headers["Cache-Control"]


def test_page_names_every_route_and_needs_nothing_but_its_style(client):
    page = client.get("/docs").text

    for method, rule in ACCESS:
        assert re.search(rf">{method}</b> {re.escape(as_path(rule))}</code>", page)
    assert re.findall(r"(?:src|href)=\"(?!#)([^\"]*)\"", page) == ["/docs/style.css", "/openapi.json"]
    assert not re.search(r"<script|<style|style=|\son\w+=|https?:", page)


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
def test_page_forbids_scripts_frames_and_other_hosts(client, path):
    policy = client.get(path).headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_every_link_within_the_page_leads_somewhere(client):
    page = client.get("/docs").text

    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(re.findall(r'id="([^"]+)"', page))
