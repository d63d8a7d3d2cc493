"""``midca entity import``: many end entities, from a file of comma-separated values."""

from __future__ import annotations

import csv
import json
import os
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from app.errors import AlreadyRegistered, Refusal
from app.files.protected import sync_directory
from app.frontends.admin_cli.context import Failed, json_option, operator, refusals_fail, services
from app.operations.enrolment_password import random_password
from app.operations.registration import DEFAULT_PROFILE, Registration
from app.pki.alternative_name import escaped

if TYPE_CHECKING:
    from app.operations.end_entities import EndEntities

_BATCH: Final = 200
"""They share a transaction, for which a server's writers wait: some 30 ms."""
_NAMES: Final = ("dns", "ip", "uri", "email")
_COLUMNS: Final = ("name", "password", "subject", *_NAMES, "start", "end", "ca", "profile", "entity-profile")


@dataclass
class _Counts:
    added: int = 0
    present: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)

    def count(self, line: int, registration: Registration, outcome: object) -> None:
        if isinstance(outcome, AlreadyRegistered):
            self.present += 1
        elif isinstance(outcome, Refusal):
            self.refused.append({"line": line, "name": registration.username, "reason": str(outcome)})
        else:
            self.added += 1

    def tell(self, *, as_json: bool) -> None:
        if as_json:
            click.echo(json.dumps(vars(self), indent=2))
        else:
            for each in self.refused:
                click.echo(f"line {each['line']}: {each['name']!r}: {each['reason']}", err=True)
            click.echo(f"{self.added} added, {self.present} were there already, {len(self.refused)} refused.")


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--passwords",
    type=click.Path(path_type=Path),
    help="New file for name and password of those that have none in FILE: random ones.",
)
@json_option
@refusals_fail
def import_entities(file: Path, passwords: Path | None, *, as_json: bool) -> None:
    """Add the end entities in FILE, comma-separated values with a header.

    Columns: name, password, subject, dns, ip, uri, email (blanks between several), start, end, ca, profile,
    entity-profile. What is empty or left out is the end entity profile's. Who is registered already stays as it is, so
    an import that was interrupted is run again, with another new file for passwords. Passwords that are no random ones
    take 30 ms each.
    """
    total, without_password = _read_through(file)
    if without_password and passwords is None:
        raise Failed(f"{without_password} have no password: name a new file for random ones with --passwords.")
    entities, actor, counts = services().end_entities, operator(), _Counts()
    bar = click.progressbar(length=total, label="Registered", file=sys.stderr)
    password_file: AbstractContextManager[TextIO | None] = _new_file(passwords) if passwords else nullcontext()
    with password_file as told, bar:
        rows = _rows(file)
        while batch := list(islice(rows, _BATCH)):
            armed = _armed([registration for _, registration in batch], entities, told)
            outcomes = entities.put_all(armed, actor, only_new=True)
            for (line, registration), outcome in zip(batch, outcomes, strict=True):
                counts.count(line, registration, outcome)
            bar.update(len(batch))
    counts.tell(as_json=as_json)
    if counts.refused:
        raise click.exceptions.Exit(1)


def _read_through(file: Path) -> tuple[int, int]:
    """Return how many there are and how many have no password; a broken file is refused before anything is done."""
    total = without = 0
    for _, registration in _rows(file):
        total += 1
        without += registration.password is None
    return total, without


def _rows(file: Path) -> Iterator[tuple[int, Registration]]:
    """Yield line and registration."""
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines, strict=True)
            header = reader.fieldnames or ()
            if "name" not in header or not set(header) <= set(_COLUMNS) or len(set(header)) < len(header):
                raise Failed(
                    f"{file} needs a first line with the column name, and others of: {', '.join(_COLUMNS[1:])}."
                )
            for row in reader:
                if None in row or None in row.values():
                    raise Failed(f"{file}, line {reader.line_num}: as many fields as the header has are needed.")
                yield reader.line_num, _registration(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Failed(f"{file} cannot be read: {error}.") from error


def _registration(row: dict[str, str]) -> Registration:
    given = {column: text for column, text in row.items() if text}
    names = [f"{kind}={escaped(text)}" for kind in _NAMES for text in given.get(kind, "").split()]
    return Registration(
        username=row["name"],
        password=given.get("password"),
        subject_dn=given.get("subject"),
        subject_alt_name=",".join(names) or None,
        start_time=given.get("start"),
        end_time=given.get("end"),
        ca_name=given.get("ca"),
        certificate_profile=given.get("profile"),
        end_entity_profile=given.get("entity-profile", DEFAULT_PROFILE),
    )


def _new_file(path: Path) -> TextIO:
    """Make the file for passwords, which only its owner may read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise Failed(f"The file for passwords {path} cannot be made: {error.strerror}.") from error
    file = os.fdopen(descriptor, "w", newline="", encoding="utf-8", buffering=1)
    csv.writer(file).writerow(("name", "password"))
    sync_directory(path.parent)
    return file


def _armed(registrations: list[Registration], entities: EndEntities, file: TextIO | None) -> list[Registration]:
    """Give a random password to those who have none; each is on disk before it is good for anything.

    Of who is registered already the file says nothing: that password will never be good.
    """
    if file is None:
        return registrations
    passwords = {each.username: random_password() for each in registrations if each.password is None}
    csv.writer(file).writerows(item for item in passwords.items() if entities.store.find(item[0]) is None)
    file.flush()
    os.fsync(file.fileno())
    return [
        replace(each, password=passwords[each.username]) if each.password is None else each for each in registrations
    ]
