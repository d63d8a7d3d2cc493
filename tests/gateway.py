"""Stands in for dojot's gateway: auth's log-in, and Kong in front of a real midca. It answers as dojot v0.4.3 does."""

import base64
import hashlib
import hmac
import http.client
import json
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

USER, PASSWORD, TENANT = "admin", "admin's password", "admin"
SECRET = b"of the Kong consumer"
Answer = tuple[int, Any]


class Gateway:
    """``/auth``, and the rest to midca for who has a token; ``answers`` changes what is passed on, by method and path.

    ``lifetimes`` are the seconds the next tokens are good for, 420 when none is left. ``asked`` is each path that was.
    """

    def __init__(self, midca_port: int, *, certificate: Path | None = None) -> None:
        self.midca_port = midca_port
        self.answers: dict[tuple[str, str], Callable[[Answer], Answer]] = {}
        self.lifetimes: list[int] = []
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self.url = f"http://localhost:{self.port}"
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, method: str, path: str, authorization: str, body: bytes) -> Answer:
        if (method, path) == ("POST", "/auth"):
            return self._log_in(json.loads(body))
        if not is_good(authorization.removeprefix("Bearer ")):
            return 401, {"message": "Unauthorized"}
        connection = http.client.HTTPConnection("127.0.0.1", self.midca_port, timeout=30)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.load(response)
        finally:
            connection.close()

    def _log_in(self, body: dict[str, str]) -> Answer:
        if body["username"] != USER:
            return 401, {"message": "not authorized"}
        if body["passwd"] != PASSWORD:
            return 403, {"message": "not authorized"}
        return 200, {"jwt": token(self.lifetimes.pop(0) if self.lifetimes else 420)}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gateway.asked.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = gateway.answer(self.command, self.path, self.headers.get("Authorization", ""), body)
                changed = gateway.answers.get((self.command, self.path), lambda answer: answer)
                status, document = changed(answer)
                content = document if isinstance(document, bytes) else json.dumps(document).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                if 300 <= status < 400:
                    self.send_header("Location", "http://elsewhere.example/\x1b[2J")
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815 -- http.server's name

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def token(seconds: float = 420, **claims: Any) -> str:
    """Return a token as dojot's auth makes them, good for so long."""
    now = int(time.time())
    claims = {"iss": "key", "iat": now, "exp": now + seconds, "service": TENANT, "username": USER, **claims}
    head = ".".join(_encoded(json.dumps(part).encode()) for part in ({"typ": "JWT", "alg": "HS256"}, claims))
    return f"{head}.{_mac(head)}"


def is_good(text: str) -> bool:
    head, _, mac = text.rpartition(".")
    if head.count(".") != 1 or not hmac.compare_digest(mac, _mac(head)):
        return False
    claims = json.loads(base64.urlsafe_b64decode(head.split(".")[1] + "=="))
    return claims["exp"] > time.time()


def _mac(head: str) -> str:
    return _encoded(hmac.digest(SECRET, head.encode(), hashlib.sha256))


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def tls_certificate(path: Path, host: str = "localhost") -> Path:
    """Write a self-signed certificate with its key, for a server that nobody's CA has certified; return its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host), x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    return path
