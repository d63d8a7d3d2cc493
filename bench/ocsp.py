"""OCSP answers over HTTP: signed before (no nonce), and signed for each request (nonce)."""

from __future__ import annotations

import http.client
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from cryptography.x509 import ocsp

from app.pki.ocsp import IssuerId, OcspRequest
from bench.devices import Device
from bench.installation import ACTOR, ISSUER, Installation
from bench.load import LoadClient
from bench.measure import scenario
from bench.plan import Plan
from bench.raw_limit import RawSigners
from bench.results import Figures, Scenario
from bench.server import Server

_CONNECTIONS: Final = (8, 1)
_HEAD: Final = (
    "POST /ocsp HTTP/1.1\r\nHost: bench\r\nContent-Type: application/ocsp-request\r\nContent-Length: {length}"
)
_KINDS: Final = {"OCSP, signed before": 0, "OCSP, nonce": 32}
"""Octets of the nonce, by what is measured."""


@dataclass(frozen=True)
class OcspResult:
    """What was measured; the raw signatures are those of a responder's P-256 key on all processors."""

    certificates: int
    raw_signatures: list[float]
    scenarios: dict[str, list[Scenario]]


def measure_ocsp(directory: Path, plan: Plan, devices: Sequence[Device]) -> OcspResult:
    """Issue certificates, and ask for all of them again and again."""
    installation = Installation.create(directory, "P-256")
    asked = _certificates(installation, devices)
    rounds: dict[tuple[str, int], list[Figures]] = {(kind, many): [] for kind in _KINDS for many in _CONNECTIONS}
    signatures = []
    key = installation.services.ocsp.responders.current(installation.services.authorities.named(ISSUER)).key
    with RawSigners(key) as signers, LoadClient() as client, Server(directory) as server:
        _check_good(server.port, asked)
        client.burst(server.port, _posts(asked, 0), 64).expect(HTTPStatus.OK)
        for _ in range(plan.rounds):
            signatures.append(signers.signatures_per_second(plan.raw_seconds))
            for (kind, connections), measured in rounds.items():
                requests = _posts(asked, _KINDS[kind])
                cpu = server.cpu_seconds()
                burst = client.burst(server.port, requests, connections)
                cpu = server.cpu_seconds() - cpu
                burst.expect(HTTPStatus.OK)
                measured.append(Figures.of(burst, cpu, signatures[-1]))
        _check_good(server.port, asked)
    scenarios = {
        kind: [scenario(many, len(asked), rounds[kind, many]) for many in sorted(_CONNECTIONS)] for kind in _KINDS
    }
    return OcspResult(len(asked), signatures, scenarios)


def _certificates(installation: Installation, devices: Sequence[Device]) -> list[OcspRequest]:
    issuer = IssuerId.of(installation.services.authorities.named(ISSUER).certificate, "sha1")
    installation.register(devices)
    issue = installation.services.issuance.issue
    issued = [issue(device.name, device.password, device.request, ACTOR) for device in devices]
    return [OcspRequest(issuer, each.certificate.serial_number) for each in issued]


def _posts(asked: Sequence[OcspRequest], nonce: int) -> list[bytes]:
    return [_post(OcspRequest(one.issuer, one.serial, secrets.token_bytes(nonce) if nonce else None)) for one in asked]


def _post(request: OcspRequest) -> bytes:
    der = request.encoded()
    return f"{_HEAD.format(length=len(der))}\r\n\r\n".encode() + der


def _check_good(port: int, asked: Sequence[OcspRequest]) -> None:
    """Raise unless every answer is "good": an OCSP error has the HTTP status 200 as well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    for request in asked:
        connection.request("POST", "/ocsp", request.encoded(), {"Content-Type": "application/ocsp-request"})
        response = ocsp.load_der_ocsp_response(connection.getresponse().read())
        if response.certificate_status is not ocsp.OCSPCertStatus.GOOD:
            raise RuntimeError(f"{request.serial:X} is not good")
    connection.close()
