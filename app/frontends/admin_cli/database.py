"""``midca database``: which database there is, and the way from SQLite to PostgreSQL."""

from __future__ import annotations

import click

from app.frontends.admin_cli.context import json_option, print_fields, program, refusals_fail, services
from app.store import copying


@click.group()
def database() -> None:
    """The database: what it holds, its schema, and copying it to a PostgreSQL."""


@database.command()
@json_option
@refusals_fail
def status(*, as_json: bool) -> None:
    """Show how many rows each table has; the schema is brought up to date like at every start."""
    print_fields(copying.counts(services().database), as_json=as_json)


@database.command()
@json_option
@refusals_fail
def migrate(*, as_json: bool) -> None:
    """Bring the schema up to date and show what was applied; every start does so, too."""
    print_fields({"applied": program().migrate()}, as_json=as_json)


def _address(_context: click.Context, _parameter: click.Parameter, text: str) -> str:
    if not text.startswith(("postgresql://", "postgres://")):
        raise click.BadParameter("it begins with postgresql://")
    return text


@database.command("copy")
@click.argument("address", callback=_address)
@json_option
@refusals_fail
def copy_(address: str, *, as_json: bool) -> None:
    """Copy everything into the empty PostgreSQL at ADDRESS (postgresql://user@host/name), and compare both.

    Stop the servers first: what they would write meanwhile waits, and is refused after ten seconds. The password
    belongs into ~/.pgpass or PGPASSWORD, not into the address. Keys and secrets stay where they are.
    """
    print_fields(program().copy_database(address), as_json=as_json)
