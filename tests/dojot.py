"""Stands in for three services of dojot: auth, data-broker and device-manager. Their answers are as dojot v0.4.3's."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PAGE = 20


class Dojot:
    """Tenants, their topics and their devices, to be changed while it serves; ``asked`` is each path and its tenant."""

    def __init__(self) -> None:
        self.topics: dict[tuple[str, str], str] = {}
        self.devices: dict[str, list[str]] = {"admin": []}
        self.asked: list[tuple[str, str]] = []
        self.down = False
        self.failing_pages: set[tuple[str, int]] = set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, tenant: str) -> Any:
        """Return the JSON of an answer, None for 404."""
        parts = urlsplit(path)
        if parts.path == "/admin/tenants":
            return {"tenants": list(self.devices)}
        if parts.path.startswith("/topic/"):
            subject = parts.path.removeprefix("/topic/")
            return {"topic": self.topics.setdefault((tenant, subject), f"{tenant}.{subject}")}
        if parts.path == "/device" and tenant in self.devices:
            number = int(parse_qs(parts.query).get("page_num", ["1"])[0])
            return None if (tenant, number) in self.failing_pages else self._page(self.devices[tenant], number)
        return None

    def _page(self, devices: list[str], number: int) -> Any:
        last = max(1, -(-len(devices) // PAGE))
        pagination = {"page": number, "total": last, "has_next": number < last, "next_page": number + 1}
        if number >= last:
            pagination["next_page"] = None
        shown = devices[(number - 1) * PAGE : number * PAGE]
        return {"pagination": pagination, "devices": [{"id": device, "label": "device"} for device in shown]}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        dojot = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                tenant = tenant_in(self.headers.get("Authorization", ""))
                dojot.asked.append((tenant or "-", self.path))
                document = None if dojot.down or tenant is None else dojot.answer(self.path, tenant)
                body = json.dumps(document).encode()
                self.send_response(503 if dojot.down else 401 if tenant is None else 404 if document is None else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def tenant_in(authorization: str) -> str | None:
    """Return the tenant of a service token, None for anything else; its three parts are what data-broker looks at."""
    parts = authorization.removeprefix("Bearer ").split(".")
    if len(parts) != 3:
        return None
    claims = json.loads(base64.b64decode(parts[1]))
    return claims["service"] if claims["username"] else None


def device(identifier: str, event: str = "create", tenant: str = "admin", **data: Any) -> dict[str, Any]:
    """Return an event as device-manager sends it."""
    attribute = {"label": "a", "id": 11, "template_id": "1", "type": "dynamic", "value_type": "string"}
    body = {"id": identifier, "label": "device", "templates": [1], "attrs": {"1": [attribute]}, **data}
    return {"event": event, "meta": {"service": tenant}, "data": body}
