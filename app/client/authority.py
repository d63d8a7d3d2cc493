"""A CA as EJBCA-REST shows it over HTTP, directly or behind dojot's gateway."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from cryptography import x509

from .certification_request import one_line
from .chain import Chain, read_certificate, read_certificates
from .errors import BadAnswer
from .revocation_list import read_list


class AsksJson(Protocol):
    """``HttpServer.json``, with or without a token."""

    def __call__(self, method: str, path: str, document: Any = None) -> dict[str, Any]:
        """Return the object that answers."""


@dataclass(frozen=True)
class Authority:
    """The CA ``name``. Every method raises :class:`ClientError`; nothing it returns is verified yet."""

    name: str
    ask: AsksJson

    def certificates(self) -> Chain:
        """Return the certificate of the CA and those above it."""
        answer = self.ask("GET", f"/ca/{_quoted(self.name)}")
        return read_certificates(answer.get("certificate"), f"What /ca/{self.name} answers")

    def revocation_list(self) -> x509.CertificateRevocationList:
        """Return the CA's latest full revocation list."""
        answer = self.ask("GET", f"/ca/{_quoted(self.name)}/crl")
        return read_list(answer.get("CRL"), f"What /ca/{self.name}/crl answers")

    def sign(self, end_entity: str, password: str, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return the certificate for a request."""
        path = f"/sign/{_quoted(end_entity)}/pkcs10"
        answer = self.ask("POST", path, {"passwd": password, "certificate": one_line(request)})
        status = answer.get("status")
        if not isinstance(status, dict):
            raise BadAnswer(f"What {path} answers holds no certificate.")
        return read_certificate(status.get("data"), f"What {path} answers")


def _quoted(name: str) -> str:
    return quote(name, safe=":")  # tenant:device goes as dojot's own clients send it
