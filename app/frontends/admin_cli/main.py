"""The command ``midca`` itself, and its subjects."""

from __future__ import annotations

import errno
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from app.frontends.admin_cli.context import (
    Failed,
    json_option,
    operator,
    print_done,
    print_fields,
    program,
    refusals_fail,
)

_HERE: Final = "app.frontends.admin_cli"
_MODULES: Final = {
    "audit": f"{_HERE}.audit",
    "backup": f"{_HERE}.backup",
    "broker": f"{_HERE}.broker",
    "ca": f"{_HERE}.ca",
    "ceremony": f"{_HERE}.ceremony",
    "cert": f"{_HERE}.certificate",
    "crl": f"{_HERE}.crl",
    "database": f"{_HERE}.database",
    "doctor": f"{_HERE}.doctor",
    "dojot": f"{_HERE}.dojot",
    "entity": f"{_HERE}.entity",
    "entity-profile": f"{_HERE}.entity_profile",
    "keys": f"{_HERE}.keys",
    "ocsp": f"{_HERE}.ocsp",
    "profile": f"{_HERE}.profile",
    "restore": f"{_HERE}.backup",
    "retrieve": "app.client.command",
    "sign": f"{_HERE}.sign",
    "token": f"{_HERE}.token",
}
"""The subjects, and the module of each."""
_OUTPUT_FAILS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


class _Subjects(click.Group):
    """Imports a subject when it is asked for: the server is a command too, and its workers would carry them all."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*super().list_commands(ctx), *_MODULES})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _MODULES:
            return super().get_command(ctx, cmd_name)
        subject: click.Command = getattr(import_module(_MODULES[cmd_name]), cmd_name.replace("-", "_"))
        return subject

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; a file, an output or a text that cannot be used is a sentence, not a traceback."""
        try:
            return super().invoke(ctx)
        except PermissionError:
            raise  # the program knows whose files they are
        except OSError as error:
            if error.filename is None and error.errno not in _OUTPUT_FAILS:
                raise
            if error.filename is None:
                _give_up_output()
                raise Failed(f"The output cannot be written: {error.strerror}.") from error
            raise Failed(f"{error.filename}: {error.strerror}.") from error
        except UnicodeEncodeError as error:  # an argument in another encoding than the shell's
            raise Failed(f"{error.object[:80]!r} is no text in {error.encoding}.") from error


def _give_up_output() -> None:
    """Let what is still in the buffer go nowhere: as it ends Python would try again, and change the status to 120."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


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
@click.option(
    "--root-out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep the key of the root in this directory, on a medium that lies in a safe, and never on this machine.",
)
@click.option(
    "--root-passphrase-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The passphrase of that key; made when it is not there.  [beside the key]",
)
@click.option("--operator", "who", help="Who holds the ceremony, for its record.  [the user]")
@json_option
@refusals_fail
def init(root_out: Path | None, root_passphrase_file: Path | None, who: str | None, *, as_json: bool) -> None:
    """Make the CAs that hierarchy.yaml declares and that do not exist yet."""
    if root_passphrase_file and not root_out:
        raise click.UsageError("--root-passphrase-file goes with --root-out")
    made, told = program().init(root_out, root_passphrase_file, who or operator().name)
    print_done(told, made, as_json=as_json)


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
@json_option
@refusals_fail
def reload_profiles(*, as_json: bool) -> None:
    """Check the certificate and end entity profiles and have the running server read them and the CAs again."""
    pid, checked = program().reload(), program().profiles().absolute()
    told = f"The profiles in {checked} are good; the server (process {pid}) reads those it was started with again."
    print_done(told, {"process": pid, "profiles": str(checked)}, as_json=as_json)
