"""Whose certificates were revoked, as the CA tells its brokers: lists have serial numbers alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..errors import BadAnswer, Refused
from ..files import read_secret
from ..http_server import HttpServer


@dataclass(frozen=True)
class Revoked:
    """A certificate: its serial, the name a broker reads in it, when it ends by itself, and the cursor behind it."""

    serial: int
    name: str
    ends: datetime
    cursor: str


@dataclass(frozen=True)
class Page:
    """What was revoked behind a cursor; ``more``: there is more behind the last of them already."""

    revoked: tuple[Revoked, ...]
    more: bool


@dataclass(frozen=True)
class Feed:
    """The feed of one CA. ``token_file`` holds a token that may read it."""

    server: HttpServer
    ca: str
    token_file: Path

    def page(self, cursor: str | None) -> Page | None:
        """Return what comes behind the cursor; None when the CA has not come so far: it was put back from a backup."""
        token = read_secret(self.token_file).decode(errors="replace").strip()
        path = feed_path(self.ca, cursor)
        try:
            answer = self.server.json("GET", path, token=token)
        except Refused as refused:
            if refused.status == HTTPStatus.CONFLICT:
                return None
            raise
        return _page(answer, f"{self.server.url}{path}")


def feed_path(ca: str, cursor: str | None) -> str:
    """Return where the CA tells what comes behind the cursor; all without one."""
    return f"/ca/{quote(ca, safe='')}/revocations" + (f"?since={quote(cursor)}" if cursor else "")


def _page(answer: dict[str, Any], where: str) -> Page:
    try:
        return Page(tuple(_revoked(answer["revocations"])), bool(answer["more"]))
    except (LookupError, TypeError, ValueError) as error:
        raise BadAnswer(f"{where} does not answer with revocations.", "Is that midca?") from error


def _revoked(entries: list[dict[str, Any]]) -> Iterator[Revoked]:
    for entry in entries:
        name, cursor = entry["commonName"] or entry["username"], entry["cursor"]
        if not isinstance(name, str) or not isinstance(cursor, str):
            raise TypeError("a name or a cursor is no text")
        ends = datetime.fromisoformat(entry["ends"])
        if ends.tzinfo is None:
            raise ValueError("a time of nowhere")
        yield Revoked(int(entry["serial"], 16), name, ends, cursor)
