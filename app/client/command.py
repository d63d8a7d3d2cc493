"""``midca retrieve``, which is ``midca-retrieve`` where there is no midca: certificates for devices."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import click

from .authority import Authority
from .certification_request import Names
from .credentials import DEVICE_PASSWORD, PASSWORD, USERNAME, device_password, open_session, say
from .device_files import check_file_names
from .device_list import Row, read_devices
from .errors import ClientError
from .files import sole_user
from .http_server import HttpServer
from .private_key import KEY_TYPES, KeyKind
from .report import Report, error_fields
from .retrieval import Device, Outcome, Result, Retrieval, Wishes

_DEFAULT_CA: Final = "IOTmidCA"
_DEFAULT_TENANT: Final = "admin"
_MQTTS: Final = 8883
_WORTH_A_BAR: Final = 2  # devices


@dataclass(frozen=True)
class Options:
    """The command line."""

    host: str
    names: tuple[str, ...]
    username: str | None
    password_file: Path | None
    token_file: Path | None
    no_login: bool
    with_tenant: bool
    device_password_file: Path | None
    list_file: Path | None
    jobs: int
    overwrite: bool
    dns: tuple[str, ...]
    ip: tuple[str, ...]
    key_type: str
    key_length: int
    out: Path
    https_ca: Path | None
    skip_https_check: bool
    ca_fingerprint: str | None
    no_crl: bool
    broker: str | None
    as_json: bool

    @property
    def ca(self) -> str:
        """The name of the CA."""
        given = self.names if self.list_file else self.names[1:]
        return given[0] if given else _DEFAULT_CA


_secret_file = click.Path(path_type=Path, allow_dash=True)
_file = click.Path(path_type=Path, dir_okay=False)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("host")
@click.argument("names", nargs=-1, metavar="[DEVICE] [CA]")
@click.option("-u", "--username", envvar=USERNAME, help=f"dojot user  [{USERNAME}; else asked for]")
@click.option("--password-file", type=_secret_file, help=f"The user's password  [{PASSWORD}; else asked for]")
@click.option("--token-file", type=_secret_file, help="A token (jwt) in the place of user and password.")
@click.option("--no-login", is_flag=True, help="Ask a midca without dojot's gateway: no /auth, no token.")
@click.option("--with-tenant", is_flag=True, help="Call devices TENANT:DEVICE, as dojot 0.5 does.")
@click.option("--device-password-file", type=_secret_file, help=f"Enrolment password  [{DEVICE_PASSWORD}; else dojot]")
@click.option("--devices", "list_file", type=_file, help="CSV of many devices: device, password, dns, ip.")
@click.option("--jobs", type=click.IntRange(1, 64), default=4, show_default=True, help="Devices at a time.")
@click.option("-w", "--overwrite", is_flag=True, help="New key and certificate also where there are some.")
@click.option("-d", "--dns", multiple=True, help="Host name of the device; may be repeated.")
@click.option("-i", "--ip", multiple=True, help="IP address of the device; may be repeated.")
@click.option("--key-type", type=click.Choice(KEY_TYPES), default="rsa", show_default=True)
@click.option("-k", "--key-length", type=click.IntRange(2048, 8192), default=2048, show_default=True, help="Of RSA.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("certs"), show_default=True)
@click.option("--https-ca", type=_file, help="File of the CAs to trust for https, in the place of the system's.")
@click.option("--skip-https-check", is_flag=True, help="DANGEROUS: passwords go to whoever answers.")
@click.option("--ca-fingerprint", help="SHA-256 that the CA or one above it must have.")
@click.option("--no-crl", is_flag=True, help="Do without the revocation list.")
@click.option("--broker", metavar="HOST[:PORT]", help="MQTT broker for the line to try  [HOST, 8883]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def retrieve(**given: Any) -> None:
    """Get a certificate for DEVICE from dojot, or from midca, at HOST (a URL), and write it into certs/.

    Key and request are made here; what comes back is verified before anything is written. A file of a secret may be -
    for standard input. With --devices give no DEVICE; who has a good certificate already is left alone.
    """
    options = Options(**given)
    expected = range(2) if options.list_file else range(1, 3)
    if len(options.names) not in expected:
        raise click.UsageError("Give HOST DEVICE [CA], or HOST [CA] with --devices.")
    if options.list_file and (options.dns or options.ip):
        raise click.UsageError("With --devices, host names and addresses stand in the list.")
    if options.no_login and options.token_file:
        raise click.UsageError("Give one of --no-login and --token-file.")
    try:
        with sole_user(options.out):
            good = _retrieve(options)
    except ClientError as error:
        if options.as_json:
            click.echo(json.dumps({"result": Result.FAILED.value} | error_fields(error), indent=2))
        _complain(error)
        good = False
    if not good:
        raise click.exceptions.Exit(1)


def _retrieve(options: Options) -> bool:
    """Return whether every device has its certificate now."""
    server = HttpServer.at(options.host, ca_file=options.https_ca, verify=not options.skip_https_check)
    _warn(server, options)
    if options.list_file:
        rows = read_devices(options.list_file)
    else:
        rows = [Row(options.names[0], None, options.dns, options.ip)]
    login = not options.no_login
    session = open_session(server, options.username, options.password_file, options.token_file, login=login)
    prefix = f"{session.tenant()}:" if options.with_tenant else ""
    password = device_password(options.device_password_file)
    devices = [Device(Names.of(prefix + row.device, row.dns, row.ip), row.password or password) for row in rows]
    check_file_names([device.name for device in devices], options.ca)
    key = KeyKind(options.key_type, options.key_length)
    wishes = Wishes(options.out, key, options.overwrite, not options.no_crl, options.ca_fingerprint)
    told = _silent if options.list_file else say
    retrieval = Retrieval(Authority(options.ca, session.json), wishes, lambda: datetime.now(UTC), told)
    outcomes = _outcomes(retrieval, devices, options.jobs)
    report = Report(options.out, retrieval.authority, _broker(server, options), session.known_tenant or _DEFAULT_TENANT)
    _print(report, outcomes, options)
    return all(outcome.result is not Result.FAILED for outcome in outcomes)


def _outcomes(retrieval: Retrieval, devices: Sequence[Device], jobs: int) -> list[Outcome]:
    """Return the outcomes in the order of the devices."""
    outcomes, waiting = retrieval.look(devices)
    if not waiting and not retrieval.has_ca():
        retrieval.trust().write(retrieval.wishes.directory)
    elif waiting:
        authority = retrieval.trust()
        outcomes += _with_bar(retrieval.retrieve(waiting, authority, jobs), len(waiting))
    by_name = {outcome.device.name: outcome for outcome in outcomes}
    return [by_name[device.name] for device in devices]


def _broker(server: HttpServer, options: Options) -> tuple[str, int]:
    if options.broker is None:
        return server.host, _MQTTS
    try:
        parts = urlsplit(f"//{options.broker}")
        port = parts.port or _MQTTS
    except ValueError as error:
        raise click.BadParameter("it must be HOST or HOST:PORT", param_hint="--broker") from error
    return parts.hostname or server.host, port


def _warn(server: HttpServer, options: Options) -> None:
    if server.tls is None and not server.is_local:
        click.echo("WARNING: http:// shows passwords, token and all else to the network; use https://.", err=True)
    if options.skip_https_check:
        click.echo("WARNING: the server is not verified (--skip-https-check).", err=True)


def _silent(_step: str) -> None:
    """Many devices have a bar instead."""


def _with_bar(outcomes: Iterable[Outcome], length: int) -> list[Outcome]:
    if length < _WORTH_A_BAR or not sys.stderr.isatty():
        return list(outcomes)
    with click.progressbar(outcomes, length=length, label="Certificates", file=sys.stderr) as bar:
        return list(bar)


def _print(report: Report, outcomes: Sequence[Outcome], options: Options) -> None:
    if options.list_file:
        click.echo(json.dumps(report.all_fields(outcomes), indent=2) if options.as_json else report.table(outcomes))
        return
    (outcome,) = outcomes
    if options.as_json:
        click.echo(json.dumps(report.fields(outcome), indent=2))
    if outcome.error is not None:
        _complain(outcome.error)
    elif not options.as_json:
        click.echo(report.text(outcome))


def _complain(error: ClientError) -> None:
    name = click.get_current_context().find_root().info_name
    during_step = f"could not {error.step}: " if error.step else ""
    click.echo(f"{name}: {during_step}{error}", err=True)
    if error.advice:
        click.echo(f"  {error.advice}", err=True)
