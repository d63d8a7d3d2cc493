"""Stands in for Keycloak: an HTTP server that publishes each realm's keys, and the tokens that the realms sign."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.builders import key

AUDIENCE = "midca"


class IdentityProvider:
    """``keys``: by realm, the key ids and the private keys that are published; ``asked``: the paths, in order."""

    def __init__(self) -> None:
        self.keys: dict[str, dict[str, Any]] = {"A": {"a1": key(10)}, "B": {"b1": key(11)}}
        self.asked: list[str] = []
        self.status = 200
        self.body: bytes | None = None
        self.hangs = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()

    @property
    def settings(self) -> dict[str, str]:
        """The settings of an installation whose tenants are the realms."""
        return {
            "MIDCA_AUTH": "tokens,oidc",
            "MIDCA_OIDC_ISSUER": f"{self.url}/realms/{{tenant}}",
            "MIDCA_OIDC_AUDIENCE": AUDIENCE,
        }

    def claims(self, realm: str = "A", *roles: str, **changed: Any) -> dict[str, Any]:
        """What Keycloak says in an access token; a claim that is None is left out."""
        now = int(time.time())
        claims = {
            "iss": f"{self.url}/realms/{realm}",
            "aud": [AUDIENCE, "account"],
            "sub": "3a679713-a980-42ca-af54-4608f1c51046",
            "typ": "Bearer",
            "azp": "gui",
            "iat": now,
            "exp": now + 300,
            "preferred_username": "alice",
            "realm_access": {"roles": list(roles or ("admin",))},
        } | changed
        return {name: value for name, value in claims.items() if value is not None}

    def token(self, realm: str = "A", *roles: str, kid: str | None = None, **changed: Any) -> str:
        """A token that the realm has signed, by default with its first key."""
        kid = kid or next(iter(self.keys[realm]))
        return signed(self.claims(realm, *roles, **changed), self.keys[realm][kid], kid=kid)

    def _answer(self, path: str) -> tuple[int, bytes]:
        realm = path.removeprefix("/realms/").removesuffix("/protocol/openid-connect/certs")
        if self.body is not None or self.status != 200:
            return self.status, self.body or b"{}"
        if realm not in self.keys:
            return 404, b'{"error": "Realm does not exist"}'
        return 200, json.dumps({"keys": [jwk(kid, each) for kid, each in self.keys[realm].items()]}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                if provider.hangs.is_set():
                    time.sleep(2)
                status, body = provider._answer(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def signed(claims: dict[str, Any], private_key: Any, algorithm: str | None = None, **headers: Any) -> str:
    """A token, by default with the algorithm that Keycloak takes for such a key."""
    return jwt.encode(claims, private_key, algorithm or algorithm_of(private_key), headers=headers)


def algorithm_of(private_key: Any) -> str:
    if isinstance(private_key, rsa.RSAPrivateKey):
        return "RS256"
    return (
        {"secp256r1": "ES256", "secp384r1": "ES384"}[private_key.curve.name]
        if hasattr(private_key, "curve")
        else "EdDSA"
    )


def jwk(kid: str, private_key: Any, algorithm: str | None = None) -> dict[str, Any]:
    """What is published of a key."""
    algorithm = algorithm or algorithm_of(private_key)
    document = jwt.get_algorithm_by_name(algorithm).to_jwk(private_key.public_key(), as_dict=True)
    return {**document, "kid": kid, "alg": algorithm, "use": "sig"}
