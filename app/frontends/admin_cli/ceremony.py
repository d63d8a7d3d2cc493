"""``midca ceremony``: what the offline key of a root does, on a machine of its own (docs/keys.md)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import click
from cryptography import x509

from app.errors import InvalidInput
from app.frontends.admin_cli.context import Failed, operator, program, reason_option, refusals_fail
from app.operations.ceremony import LIST_VALIDITY, Ceremony
from app.pki.revocation import RevocationReason

_file = click.Path(exists=True, dir_okay=False, path_type=Path)
_root = click.option(
    "--root", required=True, type=click.Path(path_type=Path), help="The medium: the directory given to --root-out."
)
_passphrase = click.option(
    "--passphrase-file", type=_file, help="The root's passphrase, where it is not on the medium."
)
_operator = click.option("--operator", "who", help="Who holds the ceremony, for its record.  [the user]")
_out = click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="File to write  [standard output]")


@click.group()
def ceremony() -> None:
    """Sign with the offline key of a root."""


@ceremony.command()
@click.argument("request", type=_file)
@_root
@_passphrase
@_operator
@_out
@click.option("--yes", is_flag=True, help="Do not ask whether what is shown is what was asked for.")
@refusals_fail
def sign(
    request: Path, root: Path, passphrase_file: Path | None, who: str | None, out: Path | None, *, yes: bool
) -> None:
    """Sign REQUEST of a CA that the hierarchy declares under the root, or of the root's OCSP responder."""
    held = _hold(root, passphrase_file, who)
    proposal = held.propose(request.read_text(encoding="ascii", errors="replace"))
    for name, value in proposal.describe().items():
        click.echo(f"{name + ':':22} {value}", err=True)
    if not yes and not click.confirm("Is that what the server showed, and shall it be signed?", err=True):
        raise Failed("Nothing was signed.")
    _deliver(held.sign(proposal), out)


@ceremony.command()
@_root
@_passphrase
@_operator
@_out
@click.option("--ca", help="The root, where there are several on the medium.")
@click.option("--days", type=click.IntRange(1, 3660), default=LIST_VALIDITY.days, show_default=True)
@click.option("--revoke", multiple=True, type=_file, help="A certificate (PEM) that the root signed, to be revoked.")
@reason_option(RevocationReason.CESSATIONOFOPERATION)
@refusals_fail
def crl(
    *,
    root: Path,
    passphrase_file: Path | None,
    who: str | None,
    out: Path | None,
    ca: str | None,
    days: int,
    revoke: tuple[Path, ...],
    reason: str,
) -> None:
    """Sign the root's revocation list: all that the last one named, and what is revoked now."""
    held = _hold(root, passphrase_file, who)
    why = RevocationReason.from_name(reason)
    if why in {RevocationReason.CERTIFICATEHOLD, RevocationReason.REMOVEFROMCRL, RevocationReason.NOTREVOKED}:
        raise InvalidInput(f"{why.name} is no reason to revoke a CA.")
    revoked = [(_certificate(path), why) for path in revoke]
    _deliver(held.revocation_lists(ca, validity=timedelta(days=days), revoked=revoked), out)


def _hold(root: Path, passphrase_file: Path | None, who: str | None) -> Ceremony:
    return program().open_ceremony(root, passphrase_file, who or operator().name)


def _certificate(path: Path) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError as error:
        raise InvalidInput(f"{path} is no certificate in PEM.") from error


def _deliver(text: str, out: Path | None) -> None:
    """Write what the server imports: the record, and what was signed behind it."""
    if out is None:
        click.echo(text, nl=False)
        return
    try:
        out.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Failed(f"{out} cannot be written: {error.strerror}. What was signed is on the medium.") from error
    click.echo(f"{out}: bring it to the server. The record is on the medium too.", err=True)
