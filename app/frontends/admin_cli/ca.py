"""``midca ca``: the certificate authorities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.context import (
    json_option,
    operator,
    print_done,
    print_fields,
    print_rows,
    refusals_fail,
    services,
)
from app.operations.ceremony_record import CeremonialFile
from app.pki.certificate_authority import CertificateAuthority, fingerprint, serial_hex
from app.pki.distinguished_name import to_string
from app.pki.key_identity import public_key_sha256_of


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
    chain = "".join(_pem(certificate) for certificate in authority.chain)
    if pem and not as_json:
        click.echo(chain, nl=False)
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
            "key": "offline" if authority.offline else "here",
        }
        | ({"pem": chain} if pem else {}),
        as_json=as_json,
    )


@ca.command()
@click.argument("name")
@click.option("--ocsp", is_flag=True, help="For a new OCSP responder of NAME, whose key is offline.")
@refusals_fail
def request(name: str, *, ocsp: bool) -> None:
    """Print a request (PEM) for a new certificate of the CA NAME, to be signed by a ceremony."""
    renewal = services().renewal
    made = renewal.request_responder(name, operator()) if ocsp else renewal.request(name, operator())
    click.echo(made.public_bytes(Encoding.PEM).decode(), nl=False)
    click.echo("Compare where it is signed:", err=True)
    click.echo(f"public key, SHA-256: {public_key_sha256_of(made.public_key())}", err=True)


@ca.command("import")
@click.argument("name")
@click.argument("certificate", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@refusals_fail
def import_certificate(name: str, certificate: Path, *, as_json: bool) -> None:
    """Install CERTIFICATE, which a ceremony signed for the CA NAME or its OCSP responder."""
    file = CeremonialFile.from_text(certificate.read_text(encoding="utf-8", errors="replace"))
    _tell_installed(services().renewal.install(name, file, operator()), as_json=as_json)


@ca.command()
@click.argument("name")
@json_option
@refusals_fail
def renew(name: str, *, as_json: bool) -> None:
    """Give the CA NAME a new certificate, for the key it has, by an issuer whose key is here."""
    _tell_installed(services().renewal.renew(name, operator()), as_json=as_json)


def _tell_installed(certificate: x509.Certificate, *, as_json: bool) -> None:
    subject, until = to_string(certificate.subject), certificate.not_valid_after_utc.isoformat()
    fields = {"subject": subject, "serial": serial_hex(certificate.serial_number), "until": until}
    told = f"{subject} is good until {until}; have the server read it: midca reload"
    print_done(told, fields | {"sha256": fingerprint(certificate)}, as_json=as_json)


def _until(authority: CertificateAuthority) -> str:
    return authority.certificate.not_valid_after_utc.isoformat()


def _pem(certificate: x509.Certificate) -> Any:
    return certificate.public_bytes(Encoding.PEM).decode()
