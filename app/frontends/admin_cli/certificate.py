"""``midca cert``: the certificates that were issued."""

from __future__ import annotations

from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import InvalidInput, UnknownCertificate
from app.frontends.admin_cli.context import json_option, print_fields, print_rows, refusals_fail, services
from app.pki.certificate_authority import fingerprint
from app.store.certificates import StoredCertificate


@click.group()
def cert() -> None:
    """Look at certificates."""


@cert.command("list")
@click.option("--entity", help="Only those of this end entity or CA.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@json_option
@refusals_fail
def list_certificates(entity: str | None, limit: int, *, as_json: bool) -> None:
    """List certificates, newest first."""
    store = services().certificates
    found = store.newest(limit) if entity is None else store.of_user(entity)[::-1][:limit]
    print_rows([_described(certificate) for certificate in found], as_json=as_json)


@cert.command()
@click.argument("serial")
@click.option("--pem", is_flag=True, help="Print the certificate as PEM.")
@json_option
@refusals_fail
def show(serial: str, *, pem: bool, as_json: bool) -> None:
    """Show the certificate with the hexadecimal SERIAL."""
    for stored in services().certificates.find_serial(_canonical(serial)):
        certificate = x509.load_der_x509_certificate(stored.certificate) if stored.certificate else None
        if pem and certificate is not None:
            click.echo(certificate.public_bytes(Encoding.PEM).decode(), nl=False)
        else:
            sha256 = fingerprint(certificate) if certificate else None
            details = {"profile": stored.certificate_profile, "from": stored.not_before.isoformat(), "sha256": sha256}
            print_fields(_described(stored) | details, as_json=as_json)
        return
    raise UnknownCertificate(f"There is no certificate with the serial {serial[:80]}.")


def _canonical(serial: str) -> str:
    try:
        return f"{int(serial.replace(':', ''), 16):X}"
    except ValueError as error:
        raise InvalidInput(f"{serial[:80]!r} is no hexadecimal serial.") from error


def _described(stored: StoredCertificate) -> dict[str, Any]:
    return {
        "serial": stored.serial,
        "ca": stored.ca_name,
        "entity": stored.username,
        "subject": stored.subject_dn,
        "state": stored.revocation_reason.name if stored.revoked else str(stored.state),
        "until": stored.not_after.isoformat(),
    }
