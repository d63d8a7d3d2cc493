"""``midca broker agent``, which is ``midca-broker-agent`` where there is no midca."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from ..errors import ClientError
from .agent import Agent, check, utc_now
from .alarms import Alarm
from .configuration import load


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option("--once", is_flag=True, help="Look once, do what is due, and end; exit status 1 when something is wrong.")
@click.option("--check", "only_check", is_flag=True, help="Look at the files alone, and at what the agent said last.")
@click.option("--json", "as_json", is_flag=True, help="Print what is wrong as JSON.")
def agent(directory: Path, *, once: bool, only_check: bool, as_json: bool) -> None:
    """Keep the broker of DIRECTORY (made by `midca broker setup`) as the CA says it should be.

    Runs until it is stopped: fetches and verifies the CA's certificates and revocation lists, renews the broker's
    certificate, ends sessions of revoked devices. Nothing is replaced by what cannot be verified.
    """
    try:
        configuration = load(directory.absolute())
        if only_check:
            _print(check(configuration, utc_now()), as_json=as_json)
        elif once:
            _print(Agent(configuration).once(), as_json=as_json)
        else:
            logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
            Agent(configuration).run(_until_stopped())
    except ClientError as error:
        click.echo(f"{click.get_current_context().find_root().info_name}: {error}", err=True)
        if error.advice:
            click.echo(f"  {error.advice}", err=True)
        raise click.exceptions.Exit(1) from error


def _print(alarms: Sequence[Alarm], *, as_json: bool) -> None:
    if as_json:
        fields = [{"level": each.level.name.lower(), "about": each.about, "sentence": each.sentence} for each in alarms]
        click.echo(json.dumps(fields, indent=2))
    else:
        click.echo("\n".join(f"{each.level.name}: {each.sentence}" for each in alarms) or "All is well.")
    if alarms:
        raise click.exceptions.Exit(1)


def _until_stopped() -> threading.Event:
    stop = threading.Event()
    handler: Callable[..., None] = lambda *_: stop.set()  # noqa: E731 -- mypy wants its type
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return stop
