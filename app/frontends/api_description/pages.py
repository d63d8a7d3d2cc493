"""``/openapi.json`` and ``/docs``.

The page is written by the server and has no script: it needs no viewer of a thousand kilobytes beside a CA, and asks
nobody to type an admin token into a browser. Any OpenAPI tool reads the document.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

from flask import Blueprint, Response, current_app, json, render_template
from markupsafe import Markup, escape

from app.http_description import described
from app.http_frontend import conditional

blueprint: Final = Blueprint("api_description", __name__, template_folder="templates")

_EXTENSION: Final = "midca.openapi"
_STYLE: Final = (Path(__file__).parent / "style.css").read_bytes()
_POLICY: Final = "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@blueprint.get("/openapi.json")
@described({200: ("application/json",)}, conditional=True)
def openapi_document() -> Response:
    """Answer with this document: OpenAPI 3.1."""
    return _answer(json.dumps(_document(), indent=1).encode(), "application/json")


@blueprint.get("/docs")
@described({200: ("text/html",)}, conditional=True)
def docs_page() -> Response:
    """Answer with the same as a page to read."""
    response = _answer(render_template("docs.html", document=_document()).encode(), "text/html")
    response.headers["Content-Security-Policy"] = _POLICY
    return response


@blueprint.get("/docs/style.css")
@described({200: ("text/css",)}, conditional=True)
def docs_style() -> Response:
    """Answer with the style sheet of that page."""
    return _answer(_STYLE, "text/css")


@blueprint.app_template_filter("as_code")
def _as_code(text: str) -> Markup:
    """Return the text with what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 -- escaped first


def _document() -> dict[str, Any]:
    """Return the document, made at the first call, when all routes are there."""
    extensions = current_app.extensions
    if _EXTENSION not in extensions:
        from app.frontends.api_description.document import build  # noqa: PLC0415 -- most workers are never asked

        extensions[_EXTENSION] = build(current_app._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001
    document: dict[str, Any] = extensions[_EXTENSION]
    return document


def _answer(content: bytes, mimetype: str) -> Response:
    """Return a file that a cache keeps as long as it likes, and asks about each time: it changes with the version."""
    response = Response(content, mimetype=mimetype)
    response.headers["Cache-Control"] = "public, no-cache"
    return conditional(response)
