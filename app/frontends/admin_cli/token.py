"""``midca token``: bearer tokens for the HTTP interface."""

from __future__ import annotations

from datetime import timedelta

import click

from app.frontends.admin_cli.context import (
    json_option,
    operator,
    print_done,
    print_fields,
    print_rows,
    refusals_fail,
    services,
)


@click.group()
def token() -> None:
    """Manage the tokens that may manage the CA over HTTP."""


@token.command()
@click.argument("name")
@click.option("--days", type=click.IntRange(1, 3650), help="How long it is good [until revoked].")
@json_option
@refusals_fail
def create(name: str, days: int | None, *, as_json: bool) -> None:
    """Make an admin token called NAME and show it once."""
    lifetime = timedelta(days=days) if days else None
    made = services().tokens.create(name, operator(), lifetime=lifetime)
    print_fields({"name": name, "token": made}, as_json=as_json)


@token.command("list")
@json_option
@refusals_fail
def list_tokens(*, as_json: bool) -> None:
    """List tokens; the tokens themselves are not stored."""
    rows = [
        {
            "name": found.name,
            "role": found.role,
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
