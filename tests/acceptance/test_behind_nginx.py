"""A real nginx that ends TLS and passes on client certificates, as docs/access.md sets it up."""

import json
import re
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.acceptance.server import MIDCA, PASSWORD, free_port
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import require_tool, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "access.md"


class Nginx:
    """nginx with the documented configuration, in front of a server; ``number`` of the key is that of the holder."""

    def __init__(self, server, folder: Path) -> None:
        self.server, self.folder, self.port = server, folder, free_port()
        self.enrol("nginx", 0, (x509.SubjectAlternativeName([x509.DNSName("localhost")]), False))
        (folder / "IOTmidCA.pem").write_text(wrapped(server.get("/ca/IOTmidCA").body["certificate"]))
        (folder / "nginx.conf").write_text(self.configuration())
        command = [require_tool("nginx"), "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf"]
        self.process = subprocess.Popen([str(part) for part in command])
        wait_for(self.port)

    def configuration(self) -> str:
        (block,) = re.findall(r"```nginx\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
        for documented, here in (
            ("listen 443 ssl", f"listen 127.0.0.1:{self.port} ssl"),
            ("ca.example.org.", "nginx."),
            ("/etc/nginx", str(self.folder)),
            ("http://127.0.0.1:5583", f"http://127.0.0.1:{self.server.port}"),
            ("<the secret>", (self.server.data / "secrets" / "proxy-secret").read_text().strip()),
        ):
            assert documented in block
            block = block.replace(documented, here)
        paths = "".join(
            f"{kind}_temp_path {self.folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return f"daemon off;\npid {self.folder}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}{block}}}\n"

    def enrol(self, name: str, number: int, *extensions) -> x509.Certificate:
        """Get a certificate from the server, and leave it with its key in the folder."""
        self.server.register(name)
        request = one_line(csr(name, signing_key=key(number), extensions=extensions))
        pem = wrapped(self.server.sign(name, request).certificate)
        (self.folder / f"{name}.crt").write_text(pem)
        private = key(number).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{name}.key").write_bytes(private)
        return x509.load_pem_x509_certificate(pem.encode())

    def ask(self, path: str, document=None, *, certificate: str | None = None, **headers: str) -> int:
        """Return the status of an answer to who shows that certificate."""
        context = ssl.create_default_context(cafile=str(self.folder / "IOTmidCA.pem"))
        if certificate:
            context.load_cert_chain(self.folder / f"{certificate}.crt", self.folder / f"{certificate}.key")
        body = None if document is None else json.dumps(document).encode()
        request = urllib.request.Request(
            f"https://localhost:{self.port}{path}", body, {"Content-Type": "application/json", **headers}
        )
        try:
            with urllib.request.urlopen(request, timeout=30, context=context) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("nginx does not listen")


@pytest.fixture
def nginx(make_server, tmp_path):
    require_tool("nginx")
    server = make_server(workers=1)
    server.environment |= {"MIDCA_AUTH": "tokens,certificates", "MIDCA_TRUSTED_PROXIES": "127.0.0.1"}
    folder = tmp_path / "nginx"
    folder.mkdir()
    with server:
        running = Nginx(server, folder)
        yield running
        running.process.terminate()
        running.process.wait(30)


@pytest.mark.slow
def test_client_certificate_that_nginx_verified_has_the_role_it_was_admitted_for(nginx):
    server, folder = nginx.server, nginx.folder
    nginx.enrol("alice", 1)
    nginx.enrol("device", 2)
    command = [
        MIDCA,
        "token",
        "create",
        "alice",
        "--role",
        "registrar",
        "--tenant",
        "A",
        "--certificate",
        folder / "alice.crt",
    ]
    assert run(*command, env=server.environment, cwd=server.base).returncode == 0
    user = {"username": "A:x", "password": PASSWORD}

    assert nginx.ask("/user", user, certificate="alice") == 200
    assert nginx.ask("/user", user | {"username": "B:x"}, certificate="alice") == 403
    assert nginx.ask("/user", user, certificate="device") == 401
    assert nginx.ask("/user", user) == 401
    claimed = {
        "X-SSL-Client-Verify": "SUCCESS",
        "X-SSL-Client-Cert": "".join((folder / "alice.crt").read_text().split("\n")),
    }
    assert nginx.ask("/user", user, **claimed) == 401
    assert nginx.ask("/user/A:x", Authorization=f"Bearer {server.admin_token}") == 200

    request = one_line(csr(signing_key=key(3)))
    assert nginx.ask("/sign/A:x/pkcs10", {"passwd": PASSWORD, "certificate": request}, certificate="device") == 200

    server.delete("/user/alice")
    assert nginx.ask("/user/A:x", certificate="alice") == 401
