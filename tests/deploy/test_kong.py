"""What is shipped for a gateway: a script, against a stand-in of Kong 0.11's Admin API, and a declarative file."""

import json
import os
import re
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.conftest import require_tool, run

DEPLOY = Path(__file__).parents[2] / "deploy" / "kong"
PATHS = ["/sign", "/ca", "/user"]
TRANSFORMED = {"remove": {"headers": ["X-Midca-Proxy-Secret"]}, "add": {"headers": ["X-Midca-Proxy-Secret:s3cret"]}}


class AdminApi:
    """The APIs of a Kong 0.11 and their plugins, by name; ``open`` is whether one was ever served without a token."""

    def __init__(self) -> None:
        self.apis = {"auth-service": {"uris": ["/auth"], "plugins": [{"name": "rate-limiting"}]}}
        self.open = False
        self.refuses = ""

    def answer(self, method: str, path: str, content_type: str, body: bytes) -> int:  # noqa: PLR0911 -- a table
        if f"{method} {path}" == self.refuses:
            return 500
        document = json.loads(body) if body else None
        if "json" in content_type and document is None:
            return 400  # "Cannot parse JSON body", also of a DELETE
        name, _, plugins = path.removeprefix("/apis").strip("/").partition("/")
        match method, name, plugins:
            case "POST", "", "":
                if document["name"] in self.apis:
                    return 409
                self.apis[document["name"]] = document | {"plugins": []}
                return 201
            case "POST", _, "plugins" if name in self.apis:
                self.apis[name]["plugins"].append(document)
                return 201
            case "DELETE", _, "" if name in self.apis:
                del self.apis[name]
                return 204
            case "PATCH", _, "" if name in self.apis:
                changed = self.apis.pop(name) | document
                self.apis[changed["name"]] = changed
                return 200
        return 404

    def look(self) -> None:
        for api in self.apis.values():
            named = {plugin["name"] for plugin in api["plugins"]}
            self.open |= bool({*api["uris"]} & {*PATHS}) and not {"jwt", "pepkong"} <= named


@pytest.fixture
def kong():
    admin = AdminApi()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(admin.answer(self.command, self.path, self.headers.get("Content-Type", ""), body))
            self.send_header("Content-Length", "0")
            self.end_headers()
            admin.look()

        do_DELETE = do_PATCH = do_POST  # noqa: N815 -- http.server's names

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    admin.url = f"http://127.0.0.1:{server.server_port}"
    yield admin
    server.shutdown()
    server.server_close()


def configure(kong: AdminApi, **settings: str) -> subprocess.CompletedProcess[str]:
    require_tool("curl")
    return run("sh", DEPLOY / "kong-0.11.sh", env={**os.environ, "KONG_ADMIN_URL": kong.url, **settings})


def test_the_script_puts_midca_behind_kong_and_leaves_the_rest_alone(kong, tmp_path):
    secret = tmp_path / "proxy-secret"
    secret.write_text("s3cret\n")

    for _ in range(2):
        done = configure(kong, PROXY_SECRET_FILE=str(secret))
        assert done.returncode == 0, done.stderr

    assert kong.apis == {
        "auth-service": {"uris": ["/auth"], "plugins": [{"name": "rate-limiting"}]},
        "ejbca-paths": {
            "name": "ejbca-paths",
            "uris": PATHS,
            "strip_uri": False,
            "upstream_url": "http://ejbca:5583/",
            "plugins": [
                {"name": "jwt"},
                {"name": "pepkong", "config": {"pdpUrl": "http://auth:5000/pdp"}},
                {"name": "request-transformer", "config": TRANSFORMED},
            ],
        },
    }
    assert not kong.open


def test_without_a_secret_none_that_a_client_sends_arrives(kong):
    assert configure(kong, PDP_URL="").returncode == 0

    *_, transformer = kong.apis["ejbca-paths"]["plugins"]
    assert transformer["config"] == {"remove": TRANSFORMED["remove"]}


@pytest.mark.parametrize("refused", ["POST /apis/midca-new/plugins", "POST /apis"])
def test_what_kong_refuses_ends_the_script_before_anything_is_open(kong, refused):
    assert configure(kong).returncode == 0
    before, kong.refuses = kong.apis["ejbca-paths"], refused

    done = configure(kong)

    assert done.returncode == 1
    assert f"{refused} at {kong.url} answered 500" in done.stderr
    assert kong.apis["ejbca-paths"] == before
    assert not kong.open


def test_the_declarative_file_says_the_same(kong, tmp_path):
    text = (DEPLOY / "kong.yml").read_text()
    document = yaml.safe_load(text.replace("${MIDCA_PROXY_SECRET}", "s3cret"))
    (service,) = document["services"]
    plugins = {plugin["name"]: plugin.get("config") for plugin in service["plugins"]}

    assert service["url"] == "http://ejbca:5583"
    assert [(route["paths"], route["strip_path"]) for route in service["routes"]] == [(PATHS, False)]
    assert plugins["request-transformer"] == TRANSFORMED
    assert plugins["jwt"] == {"claims_to_verify": ["exp"]}
    assert set(re.findall(r"\$\{(\w+)", text)) == {"MIDCA_PROXY_SECRET"}
