"""Asks an OCSP responder, with requests that vary one valid one."""

import base64
import hashlib
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

SHA1 = hashes.SHA1()  # noqa: S303 -- what most clients name issuers by
TYPE = "application/ocsp-request"


def request(
    issuer: x509.Certificate,
    serial: int | str,
    *,
    nonce: bytes | None = None,
    algorithm: hashes.HashAlgorithm = SHA1,
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] = (),
) -> bytes:
    number = int(serial, 16) if isinstance(serial, str) else serial
    builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(*_hashes(issuer, algorithm), number, algorithm)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.build().public_bytes(Encoding.DER)


def _hashes(issuer: x509.Certificate, algorithm: hashes.HashAlgorithm) -> tuple[bytes, bytes]:
    built = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, algorithm).build()
    return hashlib.new(algorithm.name, issuer.subject.public_bytes()).digest(), built.issuer_key_hash


def path_of(der: bytes) -> str:
    return "/ocsp/" + quote(base64.b64encode(der).decode(), safe="")


def post(client, der: bytes) -> ocsp.OCSPResponse:
    return parsed(client.post("/ocsp", data=der, content_type=TYPE))


def get(client, der: bytes) -> ocsp.OCSPResponse:
    return parsed(client.get(path_of(der)))


def parsed(answer) -> ocsp.OCSPResponse:
    """The OCSPResponse in an HTTP answer: always status 200, whatever the response says (RFC 6960 appendix A.2)."""
    assert answer.status_code == 200, answer.text
    assert answer.mimetype == "application/ocsp-response"
    return load(answer.data)


def load(der: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(der)
