"""``midca token``: bearer tokens and client certificates for the HTTP interface."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Final

import click
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.frontends.admin_cli.context import (
    Failed,
    json_option,
    operator,
    print_done,
    print_fields,
    print_rows,
    refusals_fail,
    services,
)
from app.operations.access_tokens import Grant
from app.operations.principal import GIVEN, Role

_role: Final = click.Choice([str(role) for role in GIVEN])
_pem: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def token() -> None:
    """Manage the tokens that may manage the CA over HTTP."""


@token.command()
@click.argument("name")
@click.option("--role", type=_role, default=str(Role.ADMIN), show_default=True)
@click.option("--tenant", help="Only for the end entities of this tenant.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is good [until revoked].")
@click.option("--certificate", type=_pem, help="For who shows this client certificate (PEM), in the place of a token.")
@json_option
@refusals_fail
def create(
    name: str, role: str, tenant: str | None, days: int | None, certificate: Path | None, *, as_json: bool
) -> None:
    """Make a token called NAME and show it once."""
    grant = Grant(Role(role), tenant, timedelta(days=days) if days else None)
    fields = {"name": name, "role": str(grant.role), "tenant": tenant or "-"}
    if certificate is not None:
        fields["sha256"] = services().tokens.admit(name, _der(certificate), operator(), grant).sha256
    else:
        fields["token"] = services().tokens.create(name, operator(), grant)
    print_fields(fields, as_json=as_json)


@token.command("list")
@json_option
@refusals_fail
def list_tokens(*, as_json: bool) -> None:
    """List tokens; the tokens themselves are not stored."""
    rows = [
        {
            "name": found.name,
            "credential": str(found.credential),
            "role": found.role,
            "tenant": found.tenant or "-",
            "created": found.created_at.isoformat(timespec="seconds"),
            "expires": found.expires_at.isoformat(timespec="seconds") if found.expires_at else "-",
            "revoked": found.revoked_at.isoformat(timespec="seconds") if found.revoked_at else "-",
        }
        for found in services().tokens.store.all()
    ]
    print_rows(rows, as_json=as_json)


@token.command()
@click.argument("name")
@json_option
@refusals_fail
def revoke(name: str, *, as_json: bool) -> None:
    """End the token NAME at once."""
    services().tokens.revoke(name, operator())
    print_done(f"{name} is revoked.", {"name": name, "revoked": True}, as_json=as_json)


def _der(path: Path) -> bytes:
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)
    except (OSError, ValueError) as error:
        raise Failed(f"{path} holds no certificate in PEM.") from error
