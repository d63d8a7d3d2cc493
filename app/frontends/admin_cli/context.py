"""What every command shares: the opened services, and output for people or, with ``--json``, for programs."""

from __future__ import annotations

import json
import os
import pwd
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

import click

from app.errors import ConfigurationError, InvalidInput, Refusal
from app.operations.actor import Actor
from app.operations.services import Services
from app.pki.certificate_profile import CertificateProfile
from app.pki.end_entity_profile import EndEntityProfile
from app.pki.revocation import RELEASES, RevocationReason

if TYPE_CHECKING:  # what the server does not need, its workers do not carry
    from app.operations.backup import Backup
    from app.operations.ceremony import Ceremony
    from app.operations.doctor import Doctor
    from app.operations.restoring import Restoring

HASH_SHOWN = 12


@dataclass(frozen=True)
class Program:
    """What the commands need of the layers above them. ``open_services`` opens an existing data directory.

    ``open_ceremony`` opens the medium of an offline root: its directory, the file of its passphrase, who asks.
    ``profiles`` and ``end_entity_profiles`` tell where these are; ``reload`` has a running server read them again and
    returns its id; ``init`` returns what it made, field by field and told. ``restoring`` is for a data directory
    that is still empty.
    """

    open_services: Callable[[], Services]
    open_ceremony: Callable[[Path, Path | None, str], Ceremony]
    profiles: Callable[[], Path]
    end_entity_profiles: Callable[[], Path]
    reload: Callable[[], int]
    init: Callable[[Path | None, Path | None, str], tuple[dict[str, Any], str]]
    serve: Callable[[str | None, int | None], None]
    events: Callable[[bool], tuple[dict[str, Any], bool]]
    version: str
    backup: Callable[[], Backup]
    restoring: Callable[[], Restoring]
    doctor: Callable[[], Doctor]
    migrate: Callable[[], list[str]]
    copy_database: Callable[[str], dict[str, int]]


class Failed(click.ClickException):
    """A refusal: the sentence on standard error, exit status 1 (2 is for a wrong command line)."""

    def show(self, file: Any = None) -> None:
        """Print the sentence."""
        click.echo(f"midca: {self.message}", file=file, err=True)


def program() -> Program:
    """Return what ``main`` handed to the command line."""
    found: Program = click.get_current_context().find_root().obj
    return found


def services() -> Services:
    """Open the data directory."""
    return program().open_services()


def operator() -> Actor:
    """Return the operating system's user as the actor."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = str(os.getuid())
    return Actor(f"user {name}", "command line")


def utc_time(text: str) -> datetime:
    """Return a time of the command line; it is UTC unless it says otherwise."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # OverflowError: beyond the calendar, seen from Greenwich
        raise InvalidInput(f"{text[:40]!r} is no time like 2026-01-31T12:00:00.") from error


P = ParamSpec("P")


def refusals_fail(command: Callable[P, None]) -> Callable[P, None]:
    """Turn a refusal of the CA into its sentence and exit status 1."""

    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Refusal as refusal:
            raise Failed(str(refusal)) from refusal

    return update_wrapper(wrapped, command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def period_options(command: Callable[P, None]) -> Callable[P, None]:
    """Let a command ask for the dates of a certificate."""
    when = "2030-12-31T23:59:59Z, or days:hours:minutes from the signing, if the profile lets the request ask"
    command = click.option("--not-after", help="When it is to end, likewise.")(command)
    return click.option("--not-before", help=f"When it is to begin to be good: {when}.")(command)


def reason_option(default: RevocationReason) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Let a command take the reason of a revocation that is for good."""
    passing = RELEASES | {RevocationReason.CERTIFICATEHOLD}
    names = ", ".join(reason.name for reason in RevocationReason if reason not in passing)
    return click.option("--reason", default=default.name, show_default=True, help=f"In EJBCA's words: {names}.")


def visible(value: object) -> str:
    """Return a value as text that moves no cursor and forges no line: names in the audit log were sent by anyone."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in str(value))


def print_rows(rows: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print a table, or a JSON list."""
    from tabulate import tabulate  # noqa: PLC0415 -- half a megabyte that the server, a command too, does not need

    if as_json:
        click.echo(json.dumps(rows, indent=2, default=str))
    elif rows:
        shown = [{name: "" if value is None else visible(value) for name, value in row.items()} for row in rows]
        click.echo(tabulate(shown, headers="keys", tablefmt="simple", disable_numparse=True))
    else:
        click.echo("None.")


def print_fields(fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print one thing field by field, or as a JSON object."""
    if as_json:
        click.echo(json.dumps(fields, indent=2, default=str))
    else:
        width = max(len(name) for name in fields)
        for name, value in fields.items():
            text = ("\n" + " " * (width + 2)).join(visible(line) for line in str(value).split("\n"))
            click.echo(f"{name:{width}}  {text}")


def print_done(sentence: str, fields: Mapping[str, Any], *, as_json: bool) -> None:
    """Print what was done, as a sentence or as a JSON object."""
    click.echo(json.dumps(fields, indent=2) if as_json else sentence)


def print_rules(profile: CertificateProfile | EndEntityProfile, *, as_json: bool) -> None:
    """Print each rule of a profile with the clause it stands on."""
    if not as_json:
        print_fields({"name": profile.name, "sha256": profile.sha256}, as_json=False)
    rules = [{"key": rule.key, "rule": rule.describe(), "clause": rule.clause} for rule in profile.rules]
    print_rows(rules, as_json=as_json)


def read_password(password_file: Path | None, prompt: str, *, confirm: bool = False) -> str:
    """Return the password from a file (``-``: standard input) or asked for; never from the command line itself."""
    if password_file is None:
        return _ask(prompt, confirm=confirm)
    try:
        with click.open_file(str(password_file), encoding="utf-8") as file:
            text: str = file.read()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise Failed(f"The password file {password_file} cannot be read: {reason}.") from error
    return text.rstrip("\r\n")


def _ask(prompt: str, *, confirm: bool) -> str:
    try:
        answer: str = click.prompt(prompt, hide_input=True, confirmation_prompt=confirm, err=True)
    except click.Abort as error:
        if sys.stdin.isatty():
            raise
        raise Failed("There is no terminal to ask at; name a file with the answer (--help has the option).") from error
    return answer


def check_files(checks: Sequence[tuple[Path, Callable[[], object]]]) -> None:
    """Read each path; say which are good, and every problem of the others, with exit status 1."""
    problems = [problem for path, read in checks if (problem := _problem(path, read))]
    for problem in dict.fromkeys(problems):  # a file that two checks read has its problems told once
        click.echo(f"midca: {problem}", err=True)
    if problems:
        raise click.exceptions.Exit(1)


def _problem(path: Path, read: Callable[[], object]) -> str | None:
    try:
        read()
    except ConfigurationError as error:
        return str(error)
    click.echo(f"{path}: good")
    return None
