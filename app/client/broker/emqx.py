"""Ends sessions of EMQX 5 through its REST API, with an API key (System → API Key, or ``api_key.bootstrap_file``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from ..errors import BadAnswer
from ..files import read_secret
from ..http_server import HttpServer, refusal

_PAGE: Final = 100
# EMQX closes a connection without CONNECT after its idle_timeout, 15 seconds unless it is set otherwise; and it fetches
# lists by itself, every minute as the setup writes it.
_AGAIN_AFTER: Final = timedelta(seconds=120)


@dataclass(frozen=True)
class Emqx:
    """One EMQX. ``identity`` says what it makes of a certificate's common name: ``username`` or ``clientid``."""

    server: HttpServer
    key: str
    secret_file: Path
    identity: str
    again_after: timedelta | None = _AGAIN_AFTER

    def end(self, names: Collection[str]) -> None:
        """End the sessions of these."""
        for name in sorted(names):
            for client_id in list(self._client_ids(name)):
                path = f"/api/v5/clients/{quote(client_id, safe='')}"
                answer = self.server.ask("DELETE", path, headers=self._headers())
                if answer.status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND}:
                    raise refusal(answer, f"{self.server.url}{path}")

    def check(self) -> None:
        """Ask for a page of clients."""
        self._clients("limit=1")

    def _client_ids(self, name: str) -> Iterator[str]:
        """Yield the ids of a name's sessions. Where ids are free to choose, another may have the name as its id."""
        if self.identity == "clientid":
            yield name
            return
        page, more = 1, True
        while more:
            found = self._clients(f"username={quote(name, safe='')}&page={page}&limit={_PAGE}")
            yield from (each["clientid"] for each in found if each.get("username") == name)
            page, more = page + 1, len(found) == _PAGE

    def _clients(self, query: str) -> list[dict[str, Any]]:
        path = f"/api/v5/clients?{query}"
        where = f"{self.server.url}{path}"
        answer = self.server.ask("GET", path, headers=self._headers())
        if answer.status != HTTPStatus.OK:
            raise refusal(answer, where)
        try:
            found = json.loads(answer.body)["data"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise BadAnswer(f"{where} does not answer with clients.", "Is that the REST API of EMQX 5?") from error
        if not isinstance(found, list) or not all(map(_is_client, found)):
            raise BadAnswer(f"{where} does not answer with clients.", "Is that the REST API of EMQX 5?")
        return found

    def _headers(self) -> dict[str, str]:
        secret = read_secret(self.secret_file).decode(errors="replace").strip()
        basic = base64.b64encode(f"{self.key}:{secret}".encode()).decode()
        return {"Accept": "application/json", "Authorization": f"Basic {basic}"}


def _is_client(found: Any) -> bool:
    return isinstance(found, dict) and isinstance(found.get("clientid"), str)
