"""Schemathesis asks whatever ``/openapi.json`` says may be asked, and holds each answer against it."""

import functools
import re

import hypothesis
import pytest
import schemathesis
from flask import Response, jsonify
from schemathesis import checks
from schemathesis.core.failures import FailureGroup
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi import checks as openapi_checks

from app.frontends.ejbca_rest.crl import put_crl
from app.http_access import ACCESS, Access
from app.web import create_app
from tests.builders import csr, one_line

pytestmark = pytest.mark.one_database

CHECKS = [
    checks.not_a_server_error,
    openapi_checks.status_code_conformance,
    openapi_checks.content_type_conformance,
    openapi_checks.response_headers_conformance,
    openapi_checks.response_schema_conformance,
]
for binary in ("application/ocsp-request", "application/pkcs10"):
    schemathesis.serializer.alias(binary, "application/octet-stream")
OPEN = {Access.PUBLIC, Access.ENTITY_PASSWORD, Access.ENTITY_HOLDER}


def as_described(route):
    method, rule = route
    return method, re.sub(r"<(?:[^<>:]+:)?(\w+)>", r"{\1}", rule)


ROUTES = sorted(map(as_described, ACCESS))
CLOSED = sorted(as_described(route) for route, access in ACCESS.items() if access not in OPEN)
EXAMPLES = 20


@pytest.fixture
def known(installation):
    """Names that exist, so that not every request ends at an unknown one."""
    installation.add()
    request = one_line(csr())
    issued = installation.sign("f60c28", "dojot", request)
    return {
        "body": {"passwd": "dojot", "certificate": request},  # signed already, so that it gets the same again
        "name": "IOTmidCA",
        "issuer": "CN=IOTmidCA,O=EJBCA IOT,C=SE",
        "serial": issued.serial,
        "username": "f60c28",
        "file": "IOTmidCA.crl",
        "request": "MAA=",
        "profile": "CFREE",
        "explain": {"csr": request, "subject": "CN=anyone"},
    }


def takes_what_could_be_wrong(route):
    """Any text is a name or the value of a header, and any octets are a body that is not JSON."""
    method, path = route
    operation = create_app(None).test_client().get("/openapi.json").json["paths"][path][method.lower()]
    return "application/json" in operation.get("requestBody", {}).get("content", {}) or any(
        parameter["in"] == "query" for parameter in operation["parameters"]
    )


def ask(app, route, *, mode, headers, known=None):
    """Send what the document of ``app`` allows or forbids for a route; raise for an answer it does not describe.

    With ``known`` the parameters of the path are those, and the rest is made up. Return the statuses of the answers.
    """
    method, path = route
    operation = schemathesis.openapi.from_wsgi("/openapi.json", app)[path][method]
    fixed = {}
    if known:
        fixed["path_parameters"] = {name: known[name] for name in re.findall(r"{(\w+)}", path)}
        if path.startswith("/sign"):
            fixed["body"] = known["body"]
        if path.endswith("/explain"):
            fixed["body"] = known["explain"]
    statuses = set()

    @hypothesis.settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],  # the first finding is reported as it is: making it small takes long
    )
    @hypothesis.given(case=operation.as_strategy(mode, **fixed))
    def each(case):
        answer = case.call(headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(answer, checks=CHECKS)

    each()
    return statuses


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_every_answer_is_described(app, admin, route):
    assert ask(app, route, mode=GenerationMode.POSITIVE, headers=admin)


@pytest.mark.parametrize("route", list(filter(takes_what_could_be_wrong, ROUTES)), ids=" ".join)
def test_every_answer_to_a_request_that_is_not_as_described_is_described(app, admin, route):
    assert ask(app, route, mode=GenerationMode.NEGATIVE, headers=admin)


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_every_answer_to_who_has_no_token_is_described(app, route):
    assert ask(app, route, mode=GenerationMode.POSITIVE, headers={}) == {401}


@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route[1]], ids=" ".join)
def test_every_answer_about_what_exists_is_described(app, admin, known, route):
    assert 200 in ask(app, route, mode=GenerationMode.POSITIVE, headers=admin, known=known)


# That it can fail


def wrong_status():
    return jsonify(message="ok", status=200), 202


def wrong_shape():
    return jsonify(message="ok", status=200, more=True)


def wrong_type():
    return Response("ok", mimetype="text/plain")


def broken():
    raise ZeroDivisionError


@pytest.mark.parametrize("fault", [wrong_status, wrong_shape, wrong_type, broken])
def test_answer_that_is_not_described_is_found(app, admin, fault):
    app.view_functions["ejbca_rest.put_crl"] = functools.wraps(put_crl)(lambda **_: fault())  # described as before

    with pytest.raises(FailureGroup):
        ask(app, ("PUT", "/ca/{name}/crl"), mode=GenerationMode.POSITIVE, headers=admin)
