"""Devices that enrol: each with a name, a one-time password and a request by an RSA-2048 key of its own.

The keys are real ones because the shipped profile takes RSA only and no key may serve two devices. They cost about
40 ms each, so they are made once a run, on all processors; the keys are thrown away, the requests stay.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from app.operations.enrolment_password import random_password
from bench.machine import processors

_HEAD = "POST /sign/{name}/pkcs10 HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: {length}"


@dataclass(frozen=True)
class Device:
    """``request`` is base64 of the DER of a PKCS#10 request, on one line as dojot's clients send it."""

    name: str
    password: str = field(repr=False)
    request: str = field(repr=False)

    def enrolment(self) -> bytes:
        """Return the HTTP request that gets this device its certificate."""
        return self._http(self.password)

    def guess(self) -> bytes:
        """Return the same with a wrong password."""
        return self._http("not-the-password")

    def document(self, password: str) -> bytes:
        """Return the JSON body."""
        return json.dumps({"passwd": password, "certificate": self.request}).encode()

    def _http(self, password: str) -> bytes:
        body = self.document(password)
        return f"{_HEAD.format(name=self.name, length=len(body))}\r\n\r\n".encode() + body


def make_devices(count: int) -> list[Device]:
    """Return ``count`` devices with new keys."""
    names = [f"bench-{number:05d}" for number in range(count)]
    with ProcessPoolExecutor(processors(), mp_context=get_context("spawn")) as pool:
        requests: Iterable[str] = pool.map(_request, names, chunksize=10)
        return [Device(name, random_password(), request) for name, request in zip(names, requests, strict=True)]


def _request(name: str) -> str:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(f"{name}.example")]), critical=False)
    )
    signed = builder.sign(rsa.generate_private_key(65537, 2048), hashes.SHA256())
    return base64.b64encode(signed.public_bytes(Encoding.DER)).decode()
