"""``midca crl``: revocation lists."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.certificate import importing
from app.frontends.admin_cli.context import Failed, json_option, operator, print_fields, refusals_fail, services
from app.pki.distribution_points import ListKind


@click.group()
def crl() -> None:
    """Look at revocation lists, and issue them."""


@crl.command()
@click.argument("ca", default="IOTmidCA")
@click.option("--delta", is_flag=True, help="The delta CRL.")
@click.option("--pem", is_flag=True, help="Print the list as PEM, ready for a broker's crlfile.")
@json_option
@refusals_fail
def show(ca: str, *, delta: bool, pem: bool, as_json: bool) -> None:
    """Show the newest list of CA [IOTmidCA]."""
    opened = services()
    kind = ListKind.DELTA if delta else ListKind.COMPLETE
    stored = opened.revocation_lists.latest(opened.authorities.named(ca), kind=kind)
    revocation_list = x509.load_der_x509_crl(stored.crl)
    if pem:
        click.echo(revocation_list.public_bytes(Encoding.PEM).decode(), nl=False)
        return
    print_fields(
        {
            "number": stored.number,
            "from": stored.this_update.isoformat(),
            "until": stored.next_update.isoformat(),
            "entries": len(revocation_list),
        },
        as_json=as_json,
    )


@crl.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@refusals_fail
def import_list(file: Path, *, as_json: bool) -> None:
    """Revoke what a list of one of the CAs in FILE (DER or PEM) names: after a restore, the last one that was out."""
    taken = importing(services()).take_list(_list(file), operator())
    print_fields(
        {"ca": taken.ca_name, "entries": taken.entries, "revoked by it": taken.revoked, "not on record": taken.unknown},
        as_json=as_json,
    )


def _list(file: Path) -> x509.CertificateRevocationList:
    content = file.read_bytes()
    try:
        return x509.load_pem_x509_crl(content) if b"-----BEGIN" in content else x509.load_der_x509_crl(content)
    except ValueError as error:
        raise Failed(f"{file} holds no revocation list.") from error


@crl.command()
@click.argument("ca", default="IOTmidCA")
@refusals_fail
def issue(ca: str) -> None:
    """Issue a list of CA [IOTmidCA] now."""
    opened = services()
    stored = opened.revocation_lists.issue(opened.authorities.named(ca), operator())
    click.echo(f"CRL {stored.number}, good until {stored.next_update.isoformat()}.")
