"""A way to the CA, and what a check says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any

from app.client.errors import printable
from app.client.http_server import Answer, HttpServer


class Verdict(Enum):
    """What a check came to. Only a problem makes the command fail."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Finding:
    """What a check saw, and what to do next where there is something to do."""

    check: str
    verdict: Verdict
    seen: str
    next: str = ""


@dataclass(frozen=True)
class Door:
    """A server and the CA to look at there; ``token`` is shown where there is one."""

    server: HttpServer
    ca_name: str
    now: Callable[[], datetime]
    token: str | None = field(default=None, repr=False)

    def get(self, path: str, *, anonymous: bool = False) -> Answer:
        """Return whatever answers; raise :class:`app.client.errors.ClientError` where nothing does."""
        headers = {"Accept": "application/json"}
        if self.token is not None and not anonymous:
            headers["Authorization"] = f"Bearer {self.token}"
        return self.server.ask("GET", path, headers=headers)


def document(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer, an empty one if it holds none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def said(answer: Answer) -> str:
    """Return the status of an answer with the sentence that it brings."""
    sentence = document(answer).get("message")
    words = printable(sentence).rstrip(".") if isinstance(sentence, str) else "a web page" * is_html(answer)
    return f"{answer.status} ({words})" if words else str(answer.status)


def is_html(answer: Answer) -> bool:
    """Return whether the answer is a web page."""
    return "html" in answer.headers.get("Content-Type", "") or answer.body.lstrip()[:1] == b"<"
