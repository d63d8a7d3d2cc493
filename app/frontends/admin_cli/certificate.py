"""``midca cert``: the certificates that were issued, and their revocation."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import UnknownCertificate
from app.frontends.admin_cli.context import (
    Failed,
    json_option,
    operator,
    print_done,
    print_fields,
    print_rows,
    reason_option,
    refusals_fail,
    services,
)
from app.operations.certificate_import import CertificateImport
from app.operations.revocation import canonical_serial
from app.operations.services import Services
from app.pki.certificate_authority import fingerprint
from app.pki.revocation import RevocationReason
from app.store.certificate_search import CertificateSearch, Condition
from app.store.certificates import StoredCertificate


@click.group()
def cert() -> None:
    """Look at certificates, and revoke them."""


_limit = click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)


@cert.command("list")
@click.option("--entity", help="Only those of this end entity.")
@_limit
@json_option
@refusals_fail
def list_certificates(entity: str | None, limit: int, *, as_json: bool) -> None:
    """List certificates, newest first."""
    _print_found(CertificateSearch(entity=entity), limit, as_json=as_json)


@cert.command()
@click.option("--serial", help="How the serial begins, in hex.")
@click.option("--entity", help="The end entity.")
@click.option("--subject", help="Any part of the subject.")
@click.option("--ca", help="The CA that issued it.")
@click.option("--state", type=click.Choice([str(condition) for condition in Condition]))
@click.option("--ends-within", type=click.IntRange(0, 36525), metavar="DAYS", help="Ends within so many days.")
@_limit
@json_option
@refusals_fail
def find(
    *,
    serial: str | None,
    entity: str | None,
    subject: str | None,
    ca: str | None,
    state: str | None,
    ends_within: int | None,
    limit: int,
    as_json: bool,
) -> None:
    """Find certificates by what is known of them, newest first; --serial and --ends-within give their own order."""
    opened = services()
    search = CertificateSearch(
        serial=None if serial is None else canonical_serial(serial.replace(":", "")),
        entity=entity,
        subject=subject,
        ca_name=opened.authorities.named(ca).name if ca else None,
        condition=Condition(state) if state else None,
        ends_before=None if ends_within is None else opened.revocation.now() + timedelta(days=ends_within),
    )
    _print_found(search, limit, as_json=as_json)


@cert.command()
@click.argument("serial")
@click.option("--pem", is_flag=True, help="Print the certificate as PEM.")
@json_option
@refusals_fail
def show(serial: str, *, pem: bool, as_json: bool) -> None:
    """Show the certificate with the hexadecimal SERIAL."""
    for stored in services().certificates.find_serial(canonical_serial(serial.replace(":", ""))):
        certificate = x509.load_der_x509_certificate(stored.certificate) if stored.certificate else None
        text = certificate.public_bytes(Encoding.PEM).decode() if certificate else None
        if pem and not as_json:
            if text is None:
                raise UnknownCertificate(f"Of the certificate {stored.serial} there is only a record, and no PEM.")
            click.echo(text, nl=False)
        else:
            sha256 = fingerprint(certificate) if certificate else None
            details = {"profile": stored.certificate_profile, "from": stored.not_before.isoformat(), "sha256": sha256}
            print_fields(_described(stored) | details | ({"pem": text} if pem else {}), as_json=as_json)
        return
    raise UnknownCertificate(f"There is no certificate with the serial {serial[:80]}.")


@cert.command()
@click.argument("serial")
@reason_option(RevocationReason.UNSPECIFIED)
@click.option("--ca", default="IOTmidCA", show_default=True, help="The CA that issued it.")
@click.option("--unknown", is_flag=True, help="It is not on record: put nothing but its serial on the lists.")
@json_option
@refusals_fail
def revoke(serial: str, reason: str, ca: str, *, unknown: bool, as_json: bool) -> None:
    """Revoke the certificate with the hexadecimal SERIAL, for good.

    One that was revoked for a reason that says nothing of its key can still be revoked as KEYCOMPROMISE.
    """
    why, told = RevocationReason.from_name(reason), f"{serial} is revoked; the next CRL shows it."
    if unknown:
        importing(services()).revoke_unknown(ca, serial.replace(":", ""), why, operator())
        _print_changed(serial, ca, why, told, as_json=as_json)
    else:
        _change(serial, ca, why, told, correcting=True, as_json=as_json)


@cert.command()
@click.argument("serial")
@click.option("--ca", default="IOTmidCA", show_default=True, help="The CA that issued it.")
@json_option
@refusals_fail
def hold(serial: str, ca: str, *, as_json: bool) -> None:
    """Put the certificate SERIAL on hold: revoked, until it is released."""
    told = f"{serial} is on hold; the next CRL shows it."
    _change(serial, ca, RevocationReason.CERTIFICATEHOLD, told, as_json=as_json)


@cert.command()
@click.argument("serial")
@click.option("--ca", default="IOTmidCA", show_default=True, help="The CA that issued it.")
@json_option
@refusals_fail
def release(serial: str, ca: str, *, as_json: bool) -> None:
    """Release the certificate SERIAL from its hold."""
    told = f"{serial} is good again; the next CRL does not show it."
    _change(serial, ca, RevocationReason.NOTREVOKED, told, as_json=as_json)


@cert.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
@refusals_fail
def import_certificates(files: tuple[Path, ...], *, as_json: bool) -> None:
    """Put the certificates in the PEM files FILES on record, which the CAs issued and nobody here knows any more."""
    taking, actor = importing(services()), operator()
    rows = []
    for path in files:
        for certificate in _certificates(path):
            stored, changed = taking.take(certificate, actor)
            rows.append(_described(stored) | {"imported": "yes" if changed else "was on record"})
    print_rows(rows, as_json=as_json)


def _certificates(path: Path) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Failed(f"{path} holds no certificates in PEM.") from error


def importing(opened: Services) -> CertificateImport:
    """Return what takes on record what is not."""
    return CertificateImport(
        opened.database,
        opened.certificates,
        opened.end_entities.store,
        opened.signing.audit,
        opened.authorities,
        opened.revocation.now,
    )


def _print_found(search: CertificateSearch, limit: int, *, as_json: bool) -> None:
    opened = services()
    found = search.run(opened.database, opened.revocation.now(), limit)
    print_rows([_described(certificate) for certificate in found], as_json=as_json)


def _change(
    serial: str, ca: str, reason: RevocationReason, told: str, *, as_json: bool, correcting: bool = False
) -> None:
    services().revocation.change(ca, serial.replace(":", ""), reason, operator(), correcting=correcting)
    _print_changed(serial, ca, reason, told, as_json=as_json)


def _print_changed(serial: str, ca: str, reason: RevocationReason, told: str, *, as_json: bool) -> None:
    print_done(told, {"serial": serial, "ca": ca, "reason": reason.name}, as_json=as_json)


def _described(stored: StoredCertificate) -> dict[str, Any]:
    return {
        "serial": stored.serial,
        "ca": stored.ca_name,
        "entity": stored.username,
        "subject": stored.subject_dn,
        "state": stored.revocation_reason.name if stored.revoked else str(stored.state),
        "until": stored.not_after.isoformat(),
    }
