"""``midca entity-profile``: who may be registered, read and checked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from app.files.end_entity_profile_files import (
    end_entity_profile_json_schema,
    end_entity_profile_keys_table,
    load_end_entity_profile,
    load_end_entity_profiles,
)
from app.frontends.admin_cli.context import (
    HASH_SHOWN,
    Failed,
    check_files,
    json_option,
    print_rows,
    print_rules,
    program,
    refusals_fail,
)


@click.group("entity-profile")
def entity_profile() -> None:
    """Read and check the end entity profiles (the files as they are now)."""


@entity_profile.command("list")
@json_option
@refusals_fail
def list_profiles(*, as_json: bool) -> None:
    """List the profiles."""
    rows = [
        {
            "name": found.name,
            "password": found.password.describe(),
            "enrolment window": str(found.enrolment_window),
            "sha256": found.sha256 if as_json else found.sha256[:HASH_SHOWN],
        }
        for found in load_end_entity_profiles(program().end_entity_profiles()).values()
    ]
    print_rows(rows, as_json=as_json)


@entity_profile.command()
@click.argument("name")
@json_option
@refusals_fail
def show(name: str, *, as_json: bool) -> None:
    """Show each rule of the profile NAME and the clause it stands on."""
    profiles = load_end_entity_profiles(program().end_entity_profiles())
    if name not in profiles:
        raise Failed(f"There is no end entity profile {name}; there are {', '.join(profiles)}.")
    print_rules(profiles[name], as_json=as_json)


@entity_profile.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check FILES, by default all profiles in use; every problem with file, key and line."""
    directory = program().end_entity_profiles()
    given = [(path, partial(load_end_entity_profile, path)) for path in files]
    check_files(given or [(directory, partial(load_end_entity_profiles, directory))])


@entity_profile.command()
@click.option("--markdown", is_flag=True, help="Print a table of the keys instead.")
def schema(*, markdown: bool) -> None:
    """Print the JSON Schema of a profile's file, for editors."""
    click.echo(end_entity_profile_keys_table() if markdown else end_entity_profile_json_schema(), nl=False)
