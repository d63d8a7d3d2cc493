"""The CA over HTTP, for who has a token that may register end entities."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import quote

from cryptography import x509

from ..authority import Authority
from ..errors import ClientError, Refused
from ..http_server import HttpServer, refusal
from .revocation_feed import feed_path
from .trusted_files import TrustedFiles, bundle_path


@dataclass(frozen=True)
class RemoteRegistrar:
    """Registers with these profiles at that CA."""

    server: HttpServer
    token: str = field(repr=False)
    ca: str
    profile: str
    entity_profile: str

    def trusted(self) -> TrustedFiles:
        """Return the CA's certificates and lists."""
        path = bundle_path(self.ca)
        answer = self.server.ask("GET", path)
        if answer.status != HTTPStatus.OK:
            raise refusal(answer, f"{self.server.url}{path}")
        return TrustedFiles.parse(answer.body, f"{self.server.url}{path}")

    def register(self, name: str, password: str, *, replace: bool) -> None:
        """Register the broker; one that is there already only with ``replace``."""
        if not replace and self._is_there(name):
            raise ClientError(f"There is an end entity {name} already.", "Give another name, or --replace.")
        registration = {
            "username": name,
            "password": password,
            "caName": self.ca,
            "certificateProfileName": self.profile,
            "endEntityProfileName": self.entity_profile,
        }
        self.server.json("POST", "/user", registration, token=self.token)

    def sign(self, name: str, password: str, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return the certificate."""
        return Authority(self.ca, self.server.json).sign(name, password, request)

    def cursor(self) -> str | None:
        """Return the end of the feed of revocations, as it is now."""
        cursor, more = None, True
        while more:
            answer = self.server.json("GET", feed_path(self.ca, cursor), token=self.token)
            cursor, more = str(answer.get("cursor")), answer.get("more") is True
        return cursor

    def _is_there(self, name: str) -> bool:
        try:
            self.server.json("GET", f"/user/{quote(name, safe=':')}", token=self.token)
        except Refused as refused:
            if refused.status == HTTPStatus.NOT_FOUND:
                return False
            raise
        return True
