"""``midca entity``: end entities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.frontends.admin_cli.context import (
    json_option,
    operator,
    print_done,
    print_fields,
    print_rows,
    read_password,
    refusals_fail,
    services,
)
from app.frontends.admin_cli.entity_import import import_entities
from app.operations.enrolment_password import random_password
from app.operations.registration import DEFAULT_PROFILE, Registration
from app.pki.alternative_name import escaped
from app.pki.end_entity import EndEntity, EndEntityStatus

password_file_option = click.option(
    "--password-file",
    type=click.Path(path_type=Path, allow_dash=True),
    help="File with the one-time password (- for standard input). Without it a random one is made and shown once.",
)


@click.group()
def entity() -> None:
    """Manage end entities: who may get a certificate."""


entity.add_command(import_entities)


@entity.command()
@click.argument("name")
@password_file_option
@click.option("--subject", help="Subject of its certificates [the end entity profile's, CN=NAME].")
@click.option("--dns", multiple=True, help="A host name of its certificates; may be repeated [the profile's].")
@click.option("--ip", multiple=True, help="An address, likewise.")
@click.option("--uri", multiple=True, help="A URI, likewise.")
@click.option("--email", multiple=True, help="A mailbox, likewise.")
@click.option("--start", help="When its certificates begin to be good: 2030-12-31T23:59:59Z, or days:hours:minutes.")
@click.option("--end", help="When they end, likewise: both from their signing, if the certificate profile allows it.")
@click.option("--ca", "ca_name", help="The CA that signs [the end entity profile's].")
@click.option("--profile", help="The certificate profile [the end entity profile's].")
@click.option("--entity-profile", default=DEFAULT_PROFILE, show_default=True, help="The end entity profile.")
@json_option
@refusals_fail
def add(
    *,
    name: str,
    password_file: Path | None,
    subject: str | None,
    start: str | None,
    end: str | None,
    ca_name: str | None,
    profile: str | None,
    entity_profile: str,
    as_json: bool,
    **names: tuple[str, ...],
) -> None:
    """Add the end entity NAME; an existing one is refused."""
    password = read_password(password_file, "Password") if password_file else random_password()
    registration = Registration(
        username=name,
        password=password,
        subject_dn=subject,
        subject_alt_name=_written(names) if any(names.values()) else None,
        start_time=start,
        end_time=end,
        ca_name=ca_name,
        certificate_profile=profile,
        end_entity_profile=entity_profile,
    )
    added = services().end_entities.put(registration, operator(), only_new=True)
    print_fields(_described(added) | _once(password, password_file), as_json=as_json)


@entity.command("list")
@click.option("--status", type=click.Choice([status.name for status in EndEntityStatus]), help="Only these.")
@click.option("--after", default="", help="Begin behind this name.")
@click.option("--limit", type=click.IntRange(1, 10000), default=100, show_default=True)
@json_option
@refusals_fail
def list_entities(status: str | None, after: str, limit: int, *, as_json: bool) -> None:
    """List end entities by name."""
    wanted = EndEntityStatus[status] if status else None
    rows = services().end_entities.store.page(after=after, limit=limit, status=wanted)
    print_rows([_described(row) for row in rows], as_json=as_json)


@entity.command()
@click.argument("name")
@json_option
@refusals_fail
def show(name: str, *, as_json: bool) -> None:
    """Show the end entity NAME and its certificates."""
    opened = services()
    found = opened.end_entities.find(name)
    serials = [certificate.serial for certificate in opened.certificates.of_user(name)]
    print_fields(
        {**_described(found), "certificates": serials if as_json else "\n".join(serials) or "none"}, as_json=as_json
    )


@entity.command()
@click.argument("name")
@password_file_option
@json_option
@refusals_fail
def rearm(name: str, password_file: Path | None, *, as_json: bool) -> None:
    """Let the end entity NAME enrol once more, with a new one-time password."""
    password = read_password(password_file, "Password") if password_file else random_password()
    armed = services().end_entities.rearm(name, password, operator())
    print_fields(_described(armed) | _once(password, password_file), as_json=as_json)


@entity.command()
@click.argument("name")
@json_option
@refusals_fail
def delete(name: str, *, as_json: bool) -> None:
    """Forget the end entity NAME. Its certificates stay good; to end them, revoke them first."""
    services().end_entities.delete(name, operator())
    print_done(f"{name} is deleted.", {"name": name, "deleted": True}, as_json=as_json)


def _written(names: dict[str, tuple[str, ...]]) -> str:
    """Write the names of each kind as EJBCA does; whether they are names is seen where that is read."""
    return ",".join(f"{kind}={escaped(text)}" for kind, texts in names.items() for text in texts)


def _described(found: EndEntity) -> dict[str, Any]:
    registered = {"alternative names": found.subject_alt_name, "start": found.start_time, "end": found.end_time}
    return {
        "name": found.username,
        "status": found.status.name,
        "subject": found.subject_dn,
        **{key: text for key, text in registered.items() if text},
        "ca": found.ca_name,
        "profile": found.certificate_profile,
        "entity profile": found.end_entity_profile,
        "changed": found.modified_at.isoformat(timespec="seconds"),
    }


def _once(password: str, password_file: Path | None) -> dict[str, str]:
    return {} if password_file else {"password": password}
