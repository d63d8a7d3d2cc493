"""The ``midca`` command: builds what the command line needs and hands over to it."""

from __future__ import annotations

import dataclasses
import logging
import os
import shlex
import signal
import socket
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click

from app import logs
from app.bootstrap import Opened, open_services
from app.errors import ConfigurationError
from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.profile_files import load_profiles
from app.files.server_process import ServerProcess
from app.frontends.admin_cli import cli
from app.frontends.admin_cli.context import Program
from app.operations.services import Services
from app.pki.certificate_authority import fingerprint
from app.settings import Settings, device_events


def main() -> None:
    """Run the command line; a configuration that makes no sense ends it with a sentence and exit status 3."""
    program = Program(_open, _profiles, _end_entity_profiles, _reload, _init, _serve, _events, version("midca"))
    try:
        cli(obj=program, prog_name="midca")
    except ConfigurationError as error:
        click.echo(f"midca: {error}", err=True)
        sys.exit(3)


def _open() -> Services:
    return open_services(Settings.from_environment()).services


def _profiles() -> Path:
    return Settings.from_environment().profiles


def _end_entity_profiles() -> Path:
    return Settings.from_environment().end_entity_profiles


def _reload() -> int:
    settings = Settings.from_environment()
    load_profiles(settings.profiles)  # what makes no sense stops here, with its sentence
    load_end_entity_profiles(settings.end_entity_profiles)
    return ServerProcess(settings.server_process).reload()


def _init() -> tuple[dict[str, Any], str]:
    settings = Settings.from_environment()
    opened = open_services(settings, create=True)
    nothing = f"Nothing to do: the CAs in {settings.data} are all there."
    return _made(settings, opened), _welcome(settings, opened) or nothing


def _serve(host: str | None, port: int | None) -> None:
    settings = Settings.from_environment()
    settings = dataclasses.replace(settings, host=host or settings.host, port=port or settings.port)
    logs.configure(settings.log_format)
    _check_address(settings)
    opened = open_services(settings, create=True)
    if welcome := _welcome(settings, opened):
        click.echo(welcome)
    if settings.trusted_networks:
        networks = ", ".join(str(network) for network in settings.trusted_networks)
        click.echo(
            f"midca: WARNING: every host in {networks} may manage end entities without a token "
            "(MIDCA_TRUSTED_NETWORKS).",
            err=True,
        )
    if settings.reenrol:
        click.echo(
            "midca: WARNING: a password is good for any number of certificates (MIDCA_REENROL=always).", err=True
        )
    # Chosen by the metrics' library when it is imported: where the workers leave their counts for each other.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="midca-metrics-")
    from app.server import serve  # noqa: PLC0415 -- the web server is not needed by the other commands

    serve(opened.services, settings)


def _check_address(settings: Settings) -> None:
    """Say in a sentence, before anything is made, that nobody can listen there; gunicorn would say it ten times.

    A socket that is handed over (by systemd, or by gunicorn to a new version of itself) is bound already.
    """
    if {"LISTEN_FDS", "GUNICORN_FD"} & os.environ.keys():
        return
    try:
        with socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((settings.host, settings.port))
    except OSError as error:
        raise ConfigurationError(
            f"Cannot listen on {settings.host}, port {settings.port}: {error.strerror}."
        ) from error


def _events(once: bool) -> tuple[dict[str, Any], bool]:  # noqa: FBT001 -- as the command line hands it over
    try:
        from app.frontends.device_events.consumer import consume  # noqa: PLC0415 -- its library is an optional extra
    except ImportError as error:
        raise ConfigurationError("midca events needs confluent-kafka: pip install 'midca[kafka]'.") from error

    settings, configuration = Settings.from_environment(), device_events()
    logs.configure(settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not once:
        _wait_for_authority(settings, stop)
    if stop.is_set():
        return {}, False
    if settings.rearm_on_update:
        click.echo("midca: WARNING: every update of a device arms its default password (MIDCA_REARM=always).", err=True)
    counters, complete = consume(configuration, open_services(settings).services, stop, once=once)
    return counters.as_fields(time.time()), complete


def _wait_for_authority(settings: Settings, stop: threading.Event) -> None:
    """Wait until the server has made the CA: both are started together, and Kafka keeps the events so long."""
    if not settings.database.exists():
        logging.getLogger("midca.events").warning("waiting until there is a CA in %s", settings.data)
    while not settings.database.exists() and not stop.is_set():
        stop.wait(1)


def _made(settings: Settings, opened: Opened) -> dict[str, Any]:
    """Return what was made and where it lies."""
    named = opened.services.authorities.named
    passphrase = settings.key_passphrase.default
    return {
        "data": str(settings.data),
        "cas": [{"name": name, "sha256": fingerprint(named(name).certificate)} for name in opened.created],
        "keys": str(settings.authority_files / "keys") if opened.created else None,
        "passphrase": str(passphrase) if opened.created and passphrase.exists() else None,
        "admin_token": str(settings.admin_token) if opened.token_written else None,
    }


def _welcome(settings: Settings, opened: Opened) -> str:
    """Return what a first start tells, once: what was made, where it lies, what to type next."""
    made = _made(settings, opened)
    lines = [f"  CA {ca['name']}, SHA-256 {ca['sha256']}" for ca in made["cas"]]
    if made["keys"]:
        lines += [f"  CA keys, encrypted, in {made['keys']}"]
    if made["passphrase"]:
        lines += [f"  their passphrase in {made['passphrase']}: back it up apart from the rest"]
    if made["admin_token"]:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        lines += [
            f"  the admin token in {made['admin_token']}",
            "Next, with the server running, register a device f60c28 (README goes on from there):",
            f'  curl -H "Authorization: Bearer $(cat {shlex.quote(made["admin_token"])})" \\',
            '    -H "Content-Type: application/json" -d \'{"username": "f60c28", "password": "one-time-secret"}\' \\',
            f"    http://{host}:{settings.port}/user",
        ]
    return "\n".join([f"New in {settings.data}:", *lines]) if lines else ""
