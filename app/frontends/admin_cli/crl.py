"""``midca crl``: revocation lists."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import InvalidInput
from app.frontends.admin_cli.certificate import importing
from app.frontends.admin_cli.context import json_option, operator, print_done, print_fields, refusals_fail, services
from app.operations.ceremony_record import CeremonialFile
from app.operations.certificate_import import issuer_of
from app.pki.distribution_points import ListKind
from app.pki.revocation_list import lists_from_pem


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
    text = revocation_list.public_bytes(Encoding.PEM).decode()
    if pem and not as_json:
        click.echo(text, nl=False)
        return
    print_fields(
        {
            "number": stored.number,
            "from": stored.this_update.isoformat(),
            "until": stored.next_update.isoformat(),
            "entries": len(revocation_list),
        }
        | ({"pem": text} if pem else {}),
        as_json=as_json,
    )


@crl.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@refusals_fail
def import_list(file: Path, *, as_json: bool) -> None:
    """Take the list in FILE (PEM or DER) by whose it is.

    Of a CA whose key is offline: the list that a ceremony signed becomes the newest. Of any other CA: what the list
    names is revoked here; after a restore, take the last one that was out.
    """
    opened, (signed, lists) = services(), _read(file)
    authority = issuer_of(lists[0], opened.authorities)
    if authority.offline:
        number = opened.list_import.take(authority, signed, operator())
        until = opened.revocation_lists.latest(authority).next_update.isoformat()
        fields = {"ca": authority.name, "number": number, "until": until}
        print_done(f"CRL {number} of {authority.name}, good until {until}.", fields, as_json=as_json)
        return
    for each in lists:
        taken = importing(opened).take_list(each, operator())
        told = {"ca": taken.ca_name, "entries": taken.entries}
        print_fields(told | {"revoked by it": taken.revoked, "not on record": taken.unknown}, as_json=as_json)


def _read(file: Path) -> tuple[CeremonialFile, list[x509.CertificateRevocationList]]:
    """Return what a ceremony wrote, or the one list that a broker or a browser keeps; it has no record."""
    content = file.read_bytes()
    try:
        if b"-----BEGIN " not in content:
            content = x509.load_der_x509_crl(content).public_bytes(Encoding.PEM)
        signed = CeremonialFile.from_text(content.decode(errors="replace"))
        return signed, lists_from_pem(signed.pem)
    except ValueError as error:
        raise InvalidInput(f"{file} holds no revocation list.") from error


@crl.command()
@click.argument("ca", default="IOTmidCA")
@json_option
@refusals_fail
def issue(ca: str, *, as_json: bool) -> None:
    """Issue a list of CA [IOTmidCA] now."""
    opened = services()
    authority = opened.authorities.named(ca)
    stored = opened.revocation_lists.issue(authority, operator())
    until = stored.next_update.isoformat()
    fields = {"ca": authority.name, "number": stored.number, "until": until}
    print_done(f"CRL {stored.number}, good until {until}.", fields, as_json=as_json)
