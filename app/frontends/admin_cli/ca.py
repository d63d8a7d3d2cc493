"""``midca ca``: the certificate authorities."""

from __future__ import annotations

from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.context import json_option, print_fields, print_rows, refusals_fail, services
from app.pki.certificate_authority import CertificateAuthority, fingerprint, serial_hex
from app.pki.distinguished_name import to_string


@click.group()
def ca() -> None:
    """Look at the certificate authorities."""


@ca.command("list")
@json_option
@refusals_fail
def list_authorities(*, as_json: bool) -> None:
    """List the CAs."""
    rows = [
        {"name": authority.name, "id": authority.id, "subject": authority.subject_dn, "until": _until(authority)}
        for authority in services().authorities
    ]
    print_rows(rows, as_json=as_json)


@ca.command()
@click.argument("name")
@click.option("--pem", is_flag=True, help="Print the certificate and those above it as PEM, ready for --cafile.")
@json_option
@refusals_fail
def show(name: str, *, pem: bool, as_json: bool) -> None:
    """Show the CA NAME (its name, or its distinguished name)."""
    authority = services().authorities.named(name)
    if pem:
        click.echo("".join(_pem(certificate) for certificate in authority.chain), nl=False)
        return
    certificate = authority.certificate
    print_fields(
        {
            "name": authority.name,
            "id": authority.id,
            "subject": authority.subject_dn,
            "issuer": to_string(certificate.issuer),
            "serial": serial_hex(certificate.serial_number),
            "from": certificate.not_valid_before_utc.isoformat(),
            "until": _until(authority),
            "sha256": fingerprint(certificate),
            "signs end entities": authority.signs_end_entities,
        },
        as_json=as_json,
    )


def _until(authority: CertificateAuthority) -> str:
    return authority.certificate.not_valid_after_utc.isoformat()


def _pem(certificate: x509.Certificate) -> Any:
    return certificate.public_bytes(Encoding.PEM).decode()
