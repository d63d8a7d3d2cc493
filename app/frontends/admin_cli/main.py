"""The command ``midca`` itself, and its subjects."""

from __future__ import annotations

import click

from app.client.command import retrieve
from app.frontends.admin_cli.audit import audit
from app.frontends.admin_cli.backup import backup, restore
from app.frontends.admin_cli.broker import broker
from app.frontends.admin_cli.ca import ca
from app.frontends.admin_cli.certificate import cert
from app.frontends.admin_cli.context import Failed, print_fields, program, refusals_fail
from app.frontends.admin_cli.crl import crl
from app.frontends.admin_cli.database import database
from app.frontends.admin_cli.doctor import doctor
from app.frontends.admin_cli.dojot import dojot
from app.frontends.admin_cli.entity import entity
from app.frontends.admin_cli.entity_profile import entity_profile
from app.frontends.admin_cli.ocsp import ocsp
from app.frontends.admin_cli.profile import profile
from app.frontends.admin_cli.sign import sign
from app.frontends.admin_cli.token import token


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted and not context.resilient_parsing:
        click.echo(f"midca {context.obj.version}")
        context.exit()


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_print_version, help="Show it.")
def cli() -> None:
    """midca: a private certificate authority for dojot.

    The data directory is MIDCA_DATA (./var); README lists all settings.

    Shell completion: eval "$(_MIDCA_COMPLETE=bash_source midca)", likewise zsh_source, fish_source.
    """


@cli.command()
@refusals_fail
def init() -> None:
    """Make the CAs that hierarchy.yaml declares and that do not exist yet."""
    click.echo(program().init())


@cli.command()
@click.option("--host", help="Address to listen on [MIDCA_HOST, 127.0.0.1].")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on [MIDCA_PORT, 5583].")
@refusals_fail
def serve(host: str | None, port: int | None) -> None:
    """Serve over HTTP; the first time, make the CA."""
    program().serve(host, port)


@cli.command()
@click.option("--once", is_flag=True, help="Read all there is, compare with device-manager, print the counts, end.")
@refusals_fail
def events(*, once: bool) -> None:
    """Keep end entities as dojot's devices are: read the device events of its Kafka."""
    counts, complete = program().events(once)
    if once:
        print_fields(counts, as_json=True)
        if not complete:
            raise Failed("Kafka, the database or a service of dojot did not answer; the rest comes with the next run.")


@cli.command("reload")
@refusals_fail
def reload_profiles() -> None:
    """Check the certificate and end entity profiles and have the running server read them again."""
    pid = program().reload()
    click.echo(f"The profiles are good; the server (process {pid}) reads them again.")


for _subject in (
    ca,
    entity,
    sign,
    cert,
    crl,
    ocsp,
    profile,
    entity_profile,
    token,
    audit,
    database,
    retrieve,
    broker,
    dojot,
):
    cli.add_command(_subject)
for _subject in (backup, restore, doctor):
    cli.add_command(_subject)
