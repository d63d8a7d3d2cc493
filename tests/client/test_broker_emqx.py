"""EMQX's REST API, as a small server stands in for it: its answers are as EMQX 5 documents them."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from app.client.broker.emqx import Emqx
from app.client.errors import BadAnswer, FileTrouble, Refused, Unreachable
from app.client.http_server import HttpServer


class StandIn(BaseHTTPRequestHandler):
    """Knows ``clients`` (id → user name), and notes what it is ``asked``."""

    clients: dict[str, str]
    asked: list[str]

    def do_GET(self):
        if not self._authenticated():
            return
        query = parse_qs(urlsplit(self.path).query)
        named = [
            {"clientid": each, "username": name, "connected": True}
            for each, name in self.clients.items()
            if query.get("username", [name]) == [name]
        ]
        page, limit = int(query.get("page", ["1"])[0]), int(query["limit"][0])
        found = named[(page - 1) * limit : page * limit]
        self._answer(200, {"data": found, "meta": {"page": page, "limit": limit, "count": len(named)}})

    def do_DELETE(self):
        if not self._authenticated():
            return
        client = unquote(urlsplit(self.path).path.removeprefix("/api/v5/clients/"))
        if self.clients.pop(client, None) is None:
            self._answer(404, {"code": "CLIENTID_NOT_FOUND", "message": "Client ID not found"})
        else:
            self._answer(204, None)

    def log_message(self, *_):
        pass

    def _authenticated(self) -> bool:
        self.asked.append(f"{self.command} {self.path}")
        good = f"Basic {base64.b64encode(b'midca-agent:s3cret').decode()}"
        if self.headers["Authorization"] != good:
            self._answer(401, {"code": "BAD_API_KEY_OR_SECRET", "message": "Check api_key/api_secret"})
            return False
        return True

    def _answer(self, status: int, document) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def stand_in():
    handler = type("Handler", (StandIn,), {"clients": {}, "asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    handler.port = server.server_port
    yield handler
    server.shutdown()
    thread.join(10)
    server.server_close()


@pytest.fixture
def make_emqx(stand_in, tmp_path):
    def make(secret: str = "s3cret", identity: str = "username") -> Emqx:
        file = tmp_path / "secret"
        file.write_text(f"{secret}\n")
        file.chmod(0o600)
        return Emqx(HttpServer.at(f"http://127.0.0.1:{stand_in.port}"), "midca-agent", file, identity)

    return make


def test_all_sessions_of_the_names_are_ended_and_no_others(make_emqx, stand_in):
    stand_in.clients |= {"a/1": "lost", "a 2": "lost", "lost": "other", "b": "other"}

    make_emqx().end({"lost"})

    assert stand_in.clients == {"lost": "other", "b": "other"}, "an id is no name: it is free to choose"
    assert "DELETE /api/v5/clients/a%2F1" in stand_in.asked


def test_more_sessions_than_a_page_has(make_emqx, stand_in):
    stand_in.clients |= {f"id{number}": "lost" for number in range(250)}

    make_emqx().end({"lost"})

    assert stand_in.clients == {}


def test_client_id_is_the_name_where_emqx_makes_it_of_the_certificate(make_emqx, stand_in):
    stand_in.clients |= {"lost": "whoever", "other": "whoever"}

    make_emqx(identity="clientid").end({"lost", "gone already"})

    assert stand_in.clients == {"other": "whoever"}
    assert stand_in.asked == ["DELETE /api/v5/clients/gone%20already", "DELETE /api/v5/clients/lost"]


def test_check_asks_and_changes_nothing(make_emqx, stand_in):
    stand_in.clients["a"] = "b"

    make_emqx().check()

    assert stand_in.clients == {"a": "b"}
    assert stand_in.asked == ["GET /api/v5/clients?limit=1"]


def test_wrong_secret_is_said_without_it(make_emqx):
    with pytest.raises(Refused, match="answers 401: Check api_key/api_secret") as caught:
        make_emqx("guessed").end({"lost"})
    assert "guessed" not in str(caught.value)


def test_secret_that_others_can_read_is_not_used(make_emqx):
    emqx = make_emqx()
    emqx.secret_file.chmod(0o640)

    with pytest.raises(FileTrouble):
        emqx.check()


def test_emqx_that_is_away_is_unreachable(make_emqx, tmp_path):
    with pytest.raises(Unreachable):
        Emqx(HttpServer.at("http://127.0.0.1:1"), "midca-agent", make_emqx().secret_file, "username").check()


def test_another_server_is_not_taken_for_emqx(make_emqx, stand_in, monkeypatch):
    for answer in (["x"], {"data": "x"}, {"data": ["x"]}, {"data": [{"clientid": 1}]}):
        monkeypatch.setattr(stand_in, "do_GET", lambda self, answer=answer: self._answer(200, answer))

        with pytest.raises(BadAnswer, match="does not answer with clients"):
            make_emqx().check()
