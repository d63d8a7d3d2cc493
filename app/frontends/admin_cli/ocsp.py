"""``midca ocsp``: asks the OCSP responder, and believes only what can be verified."""

from __future__ import annotations

import secrets
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Final

import click
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from app.client.errors import ClientError
from app.client.http_server import HttpServer, refusal
from app.errors import InvalidInput, UnknownAuthority
from app.files.presence import is_file
from app.frontends.admin_cli.context import Failed, json_option, print_fields, refusals_fail, services
from app.operations.authorities import Authorities
from app.operations.revocation import canonical_serial
from app.pki.certificate_authority import CertificateAuthority, serial_hex
from app.pki.distinguished_name import to_string
from app.pki.ocsp import IssuerId, OcspRequest
from app.pki.ocsp_verification import VerifiedAnswer, verified

_MAX_SECONDS: Final = 10.0
_MAX_ANSWER: Final = 64 * 1024
_NONCE: Final = 32  # octets, RFC 9654 section 2.1


@click.group()
def ocsp() -> None:
    """Ask the OCSP responder."""


@ocsp.command()
@click.argument("certificate", metavar="SERIAL|CERTIFICATE.pem")
@click.option("--ca", help="The CA that issued it  [IOTmidCA; of a file: the one it names]")
@click.option("--url", help="Ask this responder over HTTP, e.g. http://127.0.0.1:5583/ocsp.")
@click.option("--https-ca", type=click.Path(path_type=Path, dir_okay=False), help="CAs to trust for https at --url.")
@json_option
@refusals_fail
def query(certificate: str, ca: str | None, url: str | None, https_ca: Path | None, *, as_json: bool) -> None:
    """Ask for the status of a certificate, and verify the answer against the CA.

    Without --url this process answers, from the same database and by the same key as the server.
    """
    if https_ca and url is None:
        raise click.UsageError("--https-ca goes with --url")
    opened = services()
    authority, serial = _subject(opened.authorities, certificate, ca)
    request = OcspRequest(IssuerId.of(authority.certificate, "sha256"), serial, secrets.token_bytes(_NONCE))
    der = request.encoded()
    answer = opened.ocsp.answer(der).der if url is None else _fetch(url, https_ca, der)
    believed = verified(answer, request, authority.certificate, opened.ocsp.now())
    fields = {"serial": serial_hex(serial), "ca": authority.name} | _described(believed)
    print_fields({name: value for name, value in fields.items() if value or as_json}, as_json=as_json)


def _subject(authorities: Authorities, certificate: str, ca: str | None) -> tuple[CertificateAuthority, int]:
    """Return who issued the certificate, and its serial."""
    path = Path(certificate)
    if not is_file(path):
        try:
            serial = canonical_serial(certificate.replace(":", ""))
        except InvalidInput as error:
            raise InvalidInput(f"{certificate[:80]!r} is neither a file nor a hexadecimal serial number.") from error
        return authorities.named(ca or "IOTmidCA"), int(serial, 16)
    try:
        read = x509.load_pem_x509_certificate(path.read_bytes())
    except OSError as error:
        raise Failed(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise InvalidInput(f"{path} is no certificate in PEM.") from error
    return authorities.named(ca) if ca else _issuer(authorities, read), read.serial_number


def _issuer(authorities: Authorities, certificate: x509.Certificate) -> CertificateAuthority:
    for authority in authorities:
        try:
            certificate.verify_directly_issued_by(authority.certificate)
        except (InvalidSignature, ValueError, TypeError):
            continue
        return authority
    raise UnknownAuthority("None of the CAs here issued that certificate.")


def _fetch(url: str, https_ca: Path | None, request: bytes) -> bytes:
    try:
        responder = replace(HttpServer.at(url, ca_file=https_ca), max_seconds=_MAX_SECONDS, max_bytes=_MAX_ANSWER)
        answer = responder.ask("POST", "", request, {"Content-Type": "application/ocsp-request"})
        if answer.status != HTTPStatus.OK:
            raise refusal(answer, responder.url)
    except ClientError as error:
        raise Failed(f"{error} {error.advice}".strip()) from error
    return answer.body


def _described(answer: VerifiedAnswer) -> dict[str, str | None]:
    status = answer.status
    return {
        "status": status.status.name.lower(),
        "revoked": status.revoked_at.isoformat() if status.revoked_at else None,
        "reason": status.reason.name if status.reason is not None else None,
        "from": answer.validity.this_update.isoformat(),
        "until": answer.validity.next_update.isoformat(),
        "signed by": to_string(answer.signer.subject),
    }
