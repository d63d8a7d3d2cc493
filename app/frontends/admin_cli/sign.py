"""``midca sign``: the path a device takes over HTTP, from the command line."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.context import (
    json_option,
    operator,
    period_options,
    print_fields,
    read_password,
    refusals_fail,
    services,
)
from app.pki.certificate_authority import fingerprint
from app.pki.period import Period


@click.command()
@click.argument("name")
@click.argument("request", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with the end entity's password (- for standard input); asked for without it.",
)
@period_options
@click.option("--chain", is_flag=True, help="Print the CA's certificates behind it.")
@json_option
@refusals_fail
def sign(
    *,
    name: str,
    request: Path,
    password_file: Path | None,
    not_before: str | None,
    not_after: str | None,
    chain: bool,
    as_json: bool,
) -> None:
    """Sign the certification request REQUEST (PEM) for the end entity NAME; print the certificate."""
    password = read_password(password_file, f"Password of {name}")
    opened = services()
    text = request.read_text(encoding="ascii", errors="replace")
    issued = opened.issuance.issue(name, password, text, operator(), Period.from_texts(not_before, not_after))
    certificates = [issued.certificate]
    if chain:
        certificates += opened.authorities.named(opened.end_entities.find(name).ca_name).chain
    pem = "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in certificates)
    if as_json:
        print_fields({"serial": issued.serial, "sha256": fingerprint(issued.certificate), "pem": pem}, as_json=True)
    else:
        click.echo(pem, nl=False)
