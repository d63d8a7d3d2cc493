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
from collections.abc import Iterator
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from cryptography import x509

from app import logs
from app.bootstrap import open_services, unwrapped, utc_now
from app.child_process import ChildProcess
from app.errors import ConfigurationError
from app.files.authority_files import names_on_disk
from app.files.core_dumps import forbid_core_dumps
from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.places import Places
from app.files.presence import is_there
from app.files.profile_files import load_profiles
from app.files.server_process import ServerProcess
from app.frontends.admin_cli import cli
from app.frontends.admin_cli.context import Program
from app.offline_root import Medium, open_ceremony
from app.operations.actor import SYSTEM
from app.operations.ceremony import Ceremony
from app.operations.ceremony_record import Circumstances
from app.operations.services import Services
from app.settings import Settings, device_events
from app.storage import exists, migrate_database, open_database
from app.welcome import made, offline_key, welcome

if TYPE_CHECKING:
    from app.frontends.device_events.configuration import Configuration
    from app.operations.backup import Backup
    from app.operations.doctor import Doctor
    from app.operations.restoring import Restoring

_NEEDS_LIBRARY = "needs confluent-kafka: pip install 'midca[kafka]'."


def main() -> None:
    """Run the command line; a configuration that makes no sense ends it with a sentence and exit status 3."""
    program = Program(
        _open,
        _open_ceremony,
        _profiles,
        _end_entity_profiles,
        _reload,
        _init,
        _serve,
        _events,
        version("midca"),
        _backup,
        _restoring,
        _doctor,
        _migrate,
        _copy_database,
    )
    try:
        forbid_core_dumps()
        cli(obj=program, prog_name="midca")
    except ConfigurationError as error:
        click.echo(f"midca: {error}", err=True)
        sys.exit(3)
    except PermissionError as error:  # a directory on the way is closed: what is in it cannot even be looked for
        click.echo(f"midca: {error.filename}: {error.strerror}. Run midca as the user of the server.", err=True)
        sys.exit(3)


def _open() -> Services:
    return open_services(Settings.from_environment()).services


def _open_ceremony(directory: Path, passphrase_file: Path | None, operator: str) -> Ceremony:
    medium = Medium(directory, passphrase_file, _circumstances(operator))
    settings = Settings.from_environment()
    return open_ceremony(settings, medium, now=utc_now, new_serial=x509.random_serial_number, signing_key=unwrapped)


def _circumstances(operator: str) -> Circumstances:
    return Circumstances(operator, shlex.join(["midca", *sys.argv[1:]]), f"midca {version('midca')}")


def _profiles() -> Path:
    return Settings.from_environment().profiles


def _end_entity_profiles() -> Path:
    return Settings.from_environment().end_entity_profiles


def _reload() -> int:
    settings = Settings.from_environment()
    load_profiles(settings.profiles)  # what makes no sense stops here, with its sentence
    load_end_entity_profiles(settings.end_entity_profiles)
    if settings.tls:
        settings.tls.context()
    return ServerProcess(settings.server_process).reload()


def _migrate() -> list[str]:
    return migrate_database(Settings.from_environment())


def _copy_database(address: str) -> dict[str, int]:
    from app.store.copying import copy  # noqa: PLC0415 -- what the server does not need, its workers do not carry

    settings = Settings.from_environment()
    source = open_database(settings, create=False)
    target = open_database(settings.with_database(address), create=True)
    return copy(source, target)


def _init(root_out: Path | None, passphrase_file: Path | None, operator: str) -> tuple[dict[str, Any], str]:
    settings = Settings.from_environment()
    medium = Medium(root_out, passphrase_file, _circumstances(operator)) if root_out else None
    opened = open_services(settings, create=True, medium=medium)
    told = welcome(settings, opened) or f"Nothing to do: the CAs in {settings.data} are all there."
    if medium is None:
        return made(settings, opened), told
    return made(settings, opened) | {"medium": str(medium.directory)}, f"{told}\n{offline_key(medium, settings.data)}"


def _serve(host: str | None, port: int | None) -> None:
    settings = Settings.from_environment()
    settings = dataclasses.replace(settings, host=host or settings.host, port=port or settings.port)
    logs.configure(settings.log_format)
    _check_address(settings)
    if settings.tls:
        settings.tls.context()
    configuration = device_events() if settings.events_beside else None
    if configuration and find_spec("confluent_kafka") is None:
        raise ConfigurationError(f"MIDCA_KAFKA_BROKERS {_NEEDS_LIBRARY}")
    opened = open_services(settings, create=True)
    if told := welcome(settings, opened):
        click.echo(told)
    for sentence in _weakened(settings):
        click.echo(f"midca: WARNING: {sentence}", err=True)
    # Chosen by the metrics' library when it is imported: where the workers leave their counts for each other.
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="midca-metrics-")
    from app.server import serve  # noqa: PLC0415 -- the web server is not needed by the other commands

    serve(opened.services, settings, _beside(opened.services, configuration))


def _beside(services: Services, configuration: Configuration | None) -> list[ChildProcess]:
    """Return the processes beside the workers: to make a list of a million entries must not hold up requests."""
    children = [ChildProcess("does the upkeep", partial(services.upkeep.run, SYSTEM))]
    if configuration is not None:
        children.append(ChildProcess("reads device events", partial(_read_events, configuration, services)))
    return children


def _read_events(configuration: Configuration, services: Services, stop: threading.Event) -> None:
    from app.frontends.device_events.consumer import consume  # noqa: PLC0415 -- its library is an optional extra

    consume(configuration, services, stop, once=False)


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
        raise ConfigurationError(f"midca events {_NEEDS_LIBRARY}") from error

    settings, configuration = Settings.from_environment(), device_events()
    logs.configure(settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    if not once:
        _wait_for_authority(settings, stop)
    if stop.is_set():
        return {}, False
    _warn_of_rearming(settings)
    counters, complete = consume(configuration, open_services(settings).services, stop, once=once)
    return counters.as_fields(time.time()), complete


def _warn_of_rearming(settings: Settings) -> None:
    if settings.rearm_on_update:
        click.echo("midca: WARNING: every update of a device arms its default password (MIDCA_REARM=always).", err=True)


def _backup() -> Backup:
    from app.operations.backup import Backup  # noqa: PLC0415 -- the same

    settings = Settings.from_environment()
    opened = open_services(settings).services
    return Backup(
        _places(settings),
        opened.database,
        opened.checkpoints.log,
        opened.checkpoints.restores,
        str(opened.checkpoints.signer.verifier),
        version("midca"),
        utc_now,
    )


def _restoring() -> Restoring:
    from app.operations.restoring import Restoring  # noqa: PLC0415 -- the same

    settings = Settings.from_environment()
    elsewhere = partial(open_database, settings, create=True) if settings.database_address else None
    return Restoring(_places(settings), utc_now, elsewhere)


def _doctor() -> Doctor:
    from app.operations.doctor import Doctor, Patient  # noqa: PLC0415 -- the same

    settings = Settings.from_environment()
    weakened = (*_weakened(settings), *_weak_by_default(settings))
    return Doctor(Patient(_places(settings), _open, weakened, version("midca"), settings.tls, utc_now))


def _weakened(settings: Settings) -> Iterator[str]:
    """Yield a sentence for each setting that somebody chose and that weakens."""
    if settings.trusted_networks:
        networks = ", ".join(str(network) for network in settings.trusted_networks)
        yield f"every host in {networks} may manage end entities without a token (MIDCA_TRUSTED_NETWORKS)."
    if settings.reenrol:
        yield "a password is good for any number of certificates (MIDCA_REENROL=always)."
    for name, limit in (
        ("MIDCA_ADDRESS_FAILURES", settings.guess_limits.per_address),
        ("MIDCA_TOTAL_FAILURES", settings.guess_limits.overall),
    ):
        if not limit:
            yield f"passwords may be guessed at without a limit but that of each name ({name}=0)."
    if settings.rearm_on_update:
        yield "every update of a device arms its default password (MIDCA_REARM=always)."
    for secret in (settings.key_passphrase, settings.pepper):
        if secret.value is not None:
            yield f"a secret is in the environment, which others may read ({secret.name})."


def _weak_by_default(settings: Settings) -> Iterator[str]:
    """Yield a sentence for what is weak as long as nobody chooses otherwise."""
    if settings.default_password is not None:
        yield "who is registered without a password gets the public one (MIDCA_DEFAULT_PASSWORD=dojot)."
    if is_there(settings.key_passphrase.default):
        yield f"the passphrase of the CA keys lies beside them ({settings.key_passphrase.default})."


def _places(settings: Settings) -> Places:
    return Places(
        data=settings.data,
        database=settings.database,
        authorities=settings.authority_files,
        secrets=settings.audit_key.parent,
        checkpoints=settings.audit_checkpoints,
        profiles=settings.profiles,
        end_entity_profiles=settings.end_entity_profiles,
        migrations=settings.migrations,
    )


def _wait_for_authority(settings: Settings, stop: threading.Event) -> None:
    """Wait until the server has made the CA: both are started together, and Kafka keeps the events so long."""
    if not _is_there(settings):
        logging.getLogger("midca.events").warning("waiting until there is a CA in %s", settings.data)
    while not _is_there(settings) and not stop.is_set():
        stop.wait(1)


def _is_there(settings: Settings) -> bool:
    """Return whether a CA was made, or is being made; a PostgreSQL may be there before the data directory is."""
    return exists(settings) and bool(names_on_disk(settings.authority_files))
