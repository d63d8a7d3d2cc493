"""nginx in front of midca, by the file that is shipped: slow clients wait there."""

import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.acceptance.peers import enrol
from tests.acceptance.server import free_port
from tests.conftest import require_tool, run
from tests.gateway import tls_certificate

SHIPPED = (Path(__file__).parents[2] / "deploy" / "nginx" / "midca.conf").read_text()
SLOW = 64
BEGUN = b"POST /sign/f60c28/pkcs10 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"

pytestmark = pytest.mark.slow


class Nginx:
    def __init__(self, directory: Path, midca_port: int, certificate: Path, key: Path) -> None:
        self.port, self.directory = free_port(), directory
        text = SHIPPED
        for shipped, here in {
            "listen 443 ssl;": f"listen 127.0.0.1:{self.port} ssl;",
            "listen [::]:443 ssl;": "",
            "ca.example.org;": "localhost;",
            "/etc/nginx/midca/ca.example.org.pem": str(certificate),
            "/etc/nginx/midca/ca.example.org.key": str(key),
            "127.0.0.1:5583": f"127.0.0.1:{midca_port}",
        }.items():
            assert shipped in text
            text = text.replace(shipped, here)
        directory.mkdir()
        paths = "".join(
            f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (directory / "midca.conf").write_text(text)
        (directory / "nginx.conf").write_text(
            f"pid {directory}/pid; error_log {directory}/log warn; daemon off; worker_processes 1; user root;"
            f"events {{ worker_connections 512; }} http {{ access_log off; {paths} include {directory}/midca.conf; }}"
        )
        self.command = [require_tool("nginx"), "-p", directory, "-e", directory / "log", "-c", directory / "nginx.conf"]

    def __enter__(self):
        checked = run(*self.command, "-t")
        assert checked.returncode == 0, checked.stderr
        self.process = subprocess.Popen(self.command)
        deadline = time.monotonic() + 60
        while not (self.directory / "pid").exists() or not (self.directory / "pid").read_text():
            assert self.process.poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait(20)

    def ask(self, path: str, context: ssl.SSLContext, **headers: str) -> bytes:
        request = urllib.request.Request(f"https://localhost:{self.port}{path}", headers=headers)
        with urllib.request.urlopen(request, context=context, timeout=15) as answer:
            return answer.read()


def test_slow_clients_keep_nobody_waiting(server, tmp_path):
    """F28. Without nginx the last request here is not answered before the slow ones are given up."""
    holder = enrol(server, tmp_path, "gateway", "-addext", "subjectAltName=DNS:localhost")
    context = ssl.create_default_context(cafile=holder.ca)
    with Nginx(tmp_path / "nginx", server.port, holder.certificate, holder.key) as nginx, ExitStack() as stack:
        for _ in range(SLOW):
            stack.enter_context(socket.create_connection(("127.0.0.1", nginx.port)))
            plain = stack.enter_context(socket.create_connection(("127.0.0.1", nginx.port)))
            stack.enter_context(context.wrap_socket(plain, server_hostname="localhost")).sendall(BEGUN)

        assert b"IOTmidCA" in nginx.ask("/ca", context)
    assert '"path": "/sign/f60c28/pkcs10"' not in server.log, "midca does not see what is not complete"


def test_no_client_may_say_what_only_a_proxy_may_say_nor_read_metrics(tmp_path):
    asked = []

    class Behind(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, dict(self.headers)))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    certificate = tls_certificate(tmp_path / "localhost.pem")
    context = ssl.create_default_context(cafile=certificate)
    said = {"X-Midca-Proxy-Secret": "x", "X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": "x"}
    with HTTPServer(("127.0.0.1", 0), Behind) as behind:
        threading.Thread(target=behind.serve_forever, args=(0.05,), daemon=True).start()
        with Nginx(tmp_path / "nginx", behind.server_port, certificate, certificate) as nginx:
            nginx.ask("/user/f60c28?x=%2F", context, Authorization="Bearer t", **said)
            with pytest.raises(urllib.error.HTTPError, match="403") as refused:
                nginx.ask("/metrics", context)
            refused.value.close()
        behind.shutdown()

    ((path, headers),) = asked
    assert path == "/user/f60c28?x=%2F"
    assert headers["Authorization"] == "Bearer t"
    assert headers["X-Forwarded-For"] == "127.0.0.1"
    assert not said.keys() & headers.keys()
