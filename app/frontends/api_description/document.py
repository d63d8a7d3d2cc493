"""The OpenAPI 3.1 document, made from the routes, the access table and what each front end says of its own."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Final

from flask import Flask
from werkzeug.routing import Rule

from app.http_access import ACCESS, Access
from app.http_description import PATH_PARAMETERS, Content, Description, Refused, description_of
from app.operations.principal import Role

_INTRODUCTION: Final = """\
A private certification authority for IoT devices, with the interface of EJBCA-REST.

Every refusal is `{"message", "status"}`. Every answer carries `X-Request-Id`, the caller's own if one was sent. HEAD
answers wherever GET does. A path may end with a slash. An error of the server itself, which is a bug, is answered with
500 in the same shape. `x-midca-access` says in words who may call a route.
"""
_TOKEN: Final = "token"  # noqa: S105 -- the name of a scheme
_PASSWORD: Final = "password"  # noqa: S105 -- the same
_CERTIFICATE: Final = "certificate"
_OTHERWISE: Final = frozenset({Role.TRUSTED_NETWORK, Role.METRICS_NETWORK})
_RETRY_AFTER: Final = {"Retry-After": {"schema": {"type": "integer"}, "required": True, "description": "In seconds."}}
_HEADERS: Final = {
    HTTPStatus.UNAUTHORIZED: {
        "WWW-Authenticate": {"schema": {"type": "string"}, "required": True, "description": "RFC 9110 section 11.6.1."}
    },
    HTTPStatus.TOO_MANY_REQUESTS: _RETRY_AFTER,
    HTTPStatus.SERVICE_UNAVAILABLE: _RETRY_AFTER,
}
_PARAMETER: Final = re.compile(r"<(?:[^<>:]+:)?(\w+)>")  # with or without a converter
_STILL_GOOD: Final = {"description": "The caller's copy is still good."}
_CONDITIONS: Final = ("If-None-Match", "If-Modified-Since", "If-Match", "If-Unmodified-Since")


def build(app: Flask) -> dict[str, Any]:
    """Return the document of the routes that ``app`` has, are open to somebody and are described."""
    from apispec import APISpec  # noqa: PLC0415 -- a megabyte in every worker, for a document few ask for
    from apispec.ext.marshmallow import MarshmallowPlugin  # noqa: PLC0415 -- the same

    specification = APISpec(
        title="midca",
        version=version("midca"),
        openapi_version="3.1.0",
        plugins=[MarshmallowPlugin(schema_name_resolver=_name)],
        info={"description": _INTRODUCTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
    )
    specification.components.security_scheme(
        _TOKEN, {"type": "http", "scheme": "bearer", "description": "`midca token create`, or as MIDCA_AUTH says."}
    )
    specification.components.security_scheme(
        _PASSWORD, {"type": "http", "scheme": "basic", "description": "An end entity's name and enrolment password."}
    )
    specification.components.security_scheme(
        _CERTIFICATE, {"type": "mutualTLS", "description": "The end entity's present certificate, to renew it."}
    )
    for rule, method, description in _routes(app):
        operation = _operation(rule, app.view_functions[rule.endpoint], description, ACCESS[method, rule.rule])
        specification.path(path=_PARAMETER.sub(r"{\1}", rule.rule), operations={method.lower(): operation})
    return specification.to_dict()


def _routes(app: Flask) -> Iterator[tuple[Rule, str, Description]]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        description = description_of(app.view_functions[rule.endpoint])
        for method in sorted((rule.methods or set()) - {"HEAD"}):
            if description is not None and (method, rule.rule) in ACCESS:
                yield rule, method, description


def _operation(rule: Rule, view: Callable[..., Any], description: Description, access: Access) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(view) or "").replace("``", "`").partition("\n\n")
    operation: dict[str, Any] = {
        "operationId": view.__name__.strip("_"),
        "tags": [rule.endpoint.rpartition(".")[0] or "server"],
        "summary": summary,
        "description": rest.strip(),
        "security": _security(access),
        "x-midca-access": access.who,
        "parameters": _parameters(rule, description),
        "responses": _responses(description, description.all_refusals(access, rule.rule)),
    }
    if description.body is not None:
        operation["requestBody"] = {"required": True, "content": _content(description.body)}
    return operation


def _security(access: Access) -> list[dict[str, list[str]]]:
    """Return the schemes. For an address, or a password in the body, OpenAPI has none: "a token, or nothing"."""
    if access is Access.PUBLIC:
        return []
    if access is Access.ENTITY_HOLDER:
        return [{_PASSWORD: []}, {_CERTIFICATE: []}]
    return [{_TOKEN: []}, *([{}] if not access.roles or access.roles & _OTHERWISE else [])]


def _parameters(rule: Rule, description: Description) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = [
        {
            "in": "path",
            "name": name,
            "required": True,
            "description": PATH_PARAMETERS[name],
            "schema": {"type": "string", "minLength": 1, "pattern": "^[^/]+$"},
        }
        for name in _PARAMETER.findall(rule.rule)
    ]
    if description.query is not None:
        parameters.append({"in": "query", "schema": description.query})
    if description.conditional:
        parameters += [{"in": "header", "name": name, "schema": {"type": "string"}} for name in _CONDITIONS]
    return parameters


def _responses(description: Description, refusals: Mapping[int, str]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, content in description.answers.items():
        if content is None:  # only 304 has no body here
            responses[str(status)] = _STILL_GOOD
            continue
        responses[str(status)] = {
            "description": "The answer." if status < HTTPStatus.BAD_REQUEST else "Not now.",
            "content": _content(content),
        }
    if description.conditional:
        responses["304"] = _STILL_GOOD
    for status, when in refusals.items():
        responses[str(status)] = {
            "description": when,
            "headers": _HEADERS.get(HTTPStatus(status), {}),
            "content": _content(Refused),
        }
    return responses


def _content(content: Content) -> dict[str, Any]:
    if isinstance(content, tuple):
        return {media_type: {} for media_type in content}
    return {"application/json": {"schema": content}}


def _name(schema: Any) -> str:
    cls = schema if isinstance(schema, type) else type(schema)
    return cls.__name__.removesuffix("Schema")
