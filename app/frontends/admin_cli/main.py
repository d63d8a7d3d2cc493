"""The command ``midca`` itself, and its subjects."""

from __future__ import annotations

from importlib import import_module
from typing import Final

import click

from app.frontends.admin_cli.context import Failed, print_fields, program, refusals_fail

_SUBJECTS: Final = {
    "audit": "app.frontends.admin_cli.audit",
    "backup": "app.frontends.admin_cli.backup",
    "broker": "app.frontends.admin_cli.broker",
    "ca": "app.frontends.admin_cli.ca",
    "cert": "app.frontends.admin_cli.certificate",
    "crl": "app.frontends.admin_cli.crl",
    "database": "app.frontends.admin_cli.database",
    "doctor": "app.frontends.admin_cli.doctor",
    "dojot": "app.frontends.admin_cli.dojot",
    "entity": "app.frontends.admin_cli.entity",
    "entity-profile": "app.frontends.admin_cli.entity_profile",
    "ocsp": "app.frontends.admin_cli.ocsp",
    "profile": "app.frontends.admin_cli.profile",
    "restore": "app.frontends.admin_cli.backup",
    "retrieve": "app.client.command",
    "sign": "app.frontends.admin_cli.sign",
    "token": "app.frontends.admin_cli.token",
}
"""Each command, and the module that has it under its name; read when it is called for, so that a server never does."""


class _Subjects(click.Group):
    """The commands below, and the subjects."""

    def list_commands(self, context: click.Context) -> list[str]:
        return sorted({*super().list_commands(context), *_SUBJECTS})

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name in _SUBJECTS:
            subject: click.Command = vars(import_module(_SUBJECTS[name]))[name.replace("-", "_")]
            return subject
        return super().get_command(context, name)


def _print_version(context: click.Context, _parameter: click.Parameter, wanted: bool) -> None:  # noqa: FBT001
    if wanted and not context.resilient_parsing:
        click.echo(f"midca {context.obj.version}")
        context.exit()


@click.group(cls=_Subjects, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
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
