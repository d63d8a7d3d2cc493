"""``midca crl``: revocation lists."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.context import json_option, operator, print_fields, refusals_fail, services
from app.operations.ceremony_record import CeremonialFile
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


@crl.command()
@click.argument("ca", default="IOTmidCA")
@refusals_fail
def issue(ca: str) -> None:
    """Issue a list of CA [IOTmidCA] now."""
    opened = services()
    stored = opened.revocation_lists.issue(opened.authorities.named(ca), operator())
    click.echo(f"CRL {stored.number}, good until {stored.next_update.isoformat()}.")


@crl.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--ca", default="IOTrootCA", show_default=True, help="The CA whose list it is.")
@refusals_fail
def import_list(file: Path, ca: str) -> None:
    """Take over the list in FILE, which a ceremony signed for a CA whose key is offline."""
    opened = services()
    signed = CeremonialFile.from_text(file.read_text(encoding="utf-8", errors="replace"))
    number = opened.list_import.take(opened.authorities.named(ca), signed, operator())
    stored = opened.revocation_lists.latest(opened.authorities.named(ca))
    click.echo(f"CRL {number}, good until {stored.next_update.isoformat()}.")
