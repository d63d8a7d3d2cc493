"""Plays the golden cases: what is sent to a fresh installation, and its answer with the parts that vary taken out."""

import base64
import json
import re
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from cryptography import x509

from app.web import create_app
from tests.builders import wrapped

GOLDEN = Path(__file__).parent / "golden"
HEADERS = ("Content-Type", "Allow", "Cache-Control", "Connection", "Retry-After", "WWW-Authenticate")
"""The headers that are part of an answer. Others say when it was made and by which library."""

_DATE = re.compile(r"(?!1969)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


@dataclass(frozen=True)
class Request:
    """``<admin token>`` in a header and ``<serial>`` in a path stand for those of the installation.

    A body that is text is sent as it is, anything else as JSON.
    """

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None


@dataclass(frozen=True)
class Case:
    name: str
    about: str
    request: Request
    before: tuple[Request, ...] = ()


def load(path: Path) -> tuple[Case, dict]:
    document = json.loads(path.read_text())
    before = tuple(Request(**request) for request in document["before"])
    return Case(path.stem, document["about"], Request(**document["request"]), before), document["answer"]


def text(case: Case, answer: dict) -> str:
    document = {
        "about": case.about,
        "before": [asdict(request) for request in case.before],
        "request": asdict(case.request),
        "answer": answer,
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def play(case: Case, installation) -> dict:
    """Return the answer to the case's request, after those before it, all of which must go well."""
    for request in case.before:
        answer = _send(request, installation)
        assert answer.status_code == 200 or "wrong" in str(request.body), answer.text
    answer = _send(case.request, installation)
    return {
        "status": answer.status_code,
        "headers": {name: answer.headers[name] for name in HEADERS if name in answer.headers},
        "body": _normalised(answer.json, _serial(installation)),
    }


def _send(request: Request, installation):
    token = installation.settings.admin_token.read_text().strip()
    headers = {name: value.replace("<admin token>", token) for name, value in request.headers.items()}
    data = request.body if isinstance(request.body, str | None) else json.dumps(request.body)
    path = request.path.replace("<serial>", _serial(installation))
    return create_app(installation.services).test_client().open(path, method=request.method, headers=headers, data=data)


def _serial(installation) -> str:
    rows = installation.sql("SELECT serial FROM certificates WHERE certificate_type = 1 ORDER BY created_at")
    return rows[-1][0] if rows else "0"


def _normalised(value: Any, serial: str) -> Any:
    """Put a word in the place of what differs from one installation to the next.

    ======================  ================================================================================
    ``<serial>``            the serial number of the last certificate of an end entity, in upper-case hex
    ``<date>``              a time in UTC (never the one in 1969 that stands for "not revoked")
    ``<version>``           midca's own version
    ``<certificate …>``     base64 of DER: of what subject, and whether it is in lines of 64 or on one line
    ``<CRL …>``             base64 of DER: of what issuer, with how many entries
    ======================  ================================================================================
    """
    if isinstance(value, dict):
        return {key: _normalised(each, serial) for key, each in value.items()}
    if isinstance(value, list):
        return [_normalised(each, serial) for each in value]
    if not isinstance(value, str):
        return value
    if _DATE.fullmatch(value):
        return "<date>"
    if value.startswith("MII"):
        return _signed_object(value)
    return (value.replace(serial, "<serial>") if serial != "0" else value).replace(version("midca"), "<version>")


def _signed_object(value: str) -> str:
    try:
        certificates = x509.load_pem_x509_certificates(wrapped(value).encode())
    except ValueError:
        crl = x509.load_der_x509_crl(base64.b64decode(value, validate=True))
        return f"<CRL of {crl.issuer.rfc4514_string()} with {len(crl)} entries, {_form(value)}>"
    subjects = "> <certificate of ".join(certificate.subject.rfc4514_string() for certificate in certificates)
    return f"<certificate of {subjects}, {_form(value)}>"


def _form(value: str) -> str:
    widths = {len(line) for line in value.split("\n")[:-1] if not line.startswith("-----")}
    return f"lines of {max(widths)}" if widths else "one line"
