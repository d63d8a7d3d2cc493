"""``midca profile``: what the CA does with a request, read, checked, explained and tested before any key signs."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import click

from app.errors import ConfigurationError
from app.files.end_entity_profile_files import load_end_entity_profiles
from app.files.presence import is_directory
from app.files.profile_case_files import CASES, load_cases
from app.files.profile_files import load_profile, load_profiles, profile_paths
from app.files.profile_schemas import profile_json_schema, profile_keys_table
from app.frontends.admin_cli.context import (
    HASH_SHOWN,
    Failed,
    check_files,
    json_option,
    operator,
    period_options,
    print_fields,
    print_rows,
    print_rules,
    program,
    refusals_fail,
    services,
)
from app.operations.profile_cases import ProfileCases
from app.operations.profile_explanation import Explanation
from app.pki.certificate_fields import certificate_fields, to_be_signed_text
from app.pki.certificate_profile import CertificateProfile
from app.pki.period import Period
from app.pki.profile_rules import ProfileType


@click.group()
def profile() -> None:
    """Read, check, explain and test the certificate profiles (the files as they are now)."""


@profile.command("list")
@json_option
@refusals_fail
def list_profiles(*, as_json: bool) -> None:
    """List the profiles."""
    rows = [
        {
            "name": found.name,
            "type": str(found.type),
            "keys": found.key.describe() if found.type is ProfileType.END_ENTITY else "",
            "validity": found.validity.describe().partition(",")[0],
            "usages": found.extended_key_usage.describe(),
            "cas": "any" if found.cas is None else ", ".join(sorted(found.cas)),
            "sha256": found.sha256 if as_json else found.sha256[:HASH_SHOWN],
        }
        for found in load_profiles(program().profiles()).values()
    ]
    print_rows(rows, as_json=as_json)


@profile.command()
@click.argument("name")
@json_option
@refusals_fail
def show(name: str, *, as_json: bool) -> None:
    """Show each rule of the profile NAME (or of a file) and the clause it stands on."""
    print_rules(_profile(name), as_json=as_json)


@profile.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def check(files: tuple[Path, ...]) -> None:
    """Check FILES or directories, by default all that is in use; every problem with its file, key and line."""
    checks = [check for path in files or (program().profiles(),) for check in _checks(path)]
    if not files:
        directory = program().end_entity_profiles()
        checks.append((directory, partial(load_end_entity_profiles, directory)))
    check_files(checks)


def _checks(path: Path) -> list[tuple[Path, Callable[[], object]]]:
    if not is_directory(path):
        return [(path, partial(_checked, load_profile, path))]
    return [(path, partial(_checked, load_profiles, path)), (path / CASES, partial(load_cases, path))]


def _checked(read: Callable[[Path], CertificateProfile | dict[str, CertificateProfile]], path: Path) -> None:
    """Read and ask what a start does not: a CA goes on with its lists and answers when a profile has had its time."""
    found = read(path)
    for each in found.values() if isinstance(found, dict) else [found]:
        if each.validity.has_ended(datetime.now(UTC)):
            raise ConfigurationError(f"{each.name}.yaml: validity: the date is past; nothing is issued any more.")


@profile.command()
@click.argument("name", metavar="PROFILE")
@click.argument("request", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--entity", help="For this end entity, as it is registered.")
@click.option("--subject", help="For this subject, e.g. CN=f60c28.")
@click.option("--ca", help="The CA; by default the end entity's, or the first that signs end entities.")
@period_options
@json_option
@refusals_fail
def explain(
    *,
    name: str,
    request: Path,
    entity: str | None,
    subject: str | None,
    ca: str | None,
    not_before: str | None,
    not_after: str | None,
    as_json: bool,
) -> None:
    """Explain what PROFILE (a name, or a file) makes of REQUEST, field by field; exit status 1 if it refuses.

    The certificate shown is a draft: no CA key signs, no serial is taken, nothing is written.
    """
    text = request.read_text(encoding="ascii", errors="replace")
    found = _profile(name)
    period = Period.from_texts(not_before, not_after)
    explanation = services().explanations.explain(
        found, text, operator(), entity=entity, subject=subject, ca=ca, period=period
    )
    _print_explanation(explanation, as_json=as_json)
    if explanation.refused:
        raise click.exceptions.Exit(1)


@profile.command()
@click.argument("directory", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@json_option
@refusals_fail
def test(directory: Path | None, *, as_json: bool) -> None:
    """Run the cases in DIRECTORY/cases, by default those of the profiles in use; exit status 1 if one fails."""
    directory = directory or program().profiles()
    profiles = load_profiles(directory)
    cases = load_cases(directory)
    if unknown := cases.keys() - profiles.keys():
        raise Failed(f"There are cases of {min(unknown)}, and no such profile in {directory}.")
    if not cases:
        raise Failed(f"There are no cases in {directory / CASES}.")
    if without := {path.stem for path in profile_paths(directory)} - cases.keys():
        click.echo(f"midca: there are no cases of {', '.join(sorted(without))}", err=True)
    runner = ProfileCases()
    results = [result for name, found in cases.items() for result in runner.run(profiles[name], found)]
    named = [name for name, found in cases.items() for _ in found]
    rows = [
        {"profile": name, "case": result.case.name, "result": result.problem or "ok"}
        for name, result in zip(named, results, strict=True)
    ]
    print_rows(rows, as_json=as_json)
    if any(result.problem for result in results):
        raise click.exceptions.Exit(1)


@profile.command()
@click.option("--markdown", is_flag=True, help="Print a table of the keys instead.")
@click.option(
    "--type", "of_type", type=click.Choice([str(each) for each in ProfileType]), default="end_entity", show_default=True
)
def schema(of_type: str, *, markdown: bool) -> None:
    """Print the JSON Schema of a profile's file, for editors."""
    printed = profile_keys_table if markdown else profile_json_schema
    click.echo(printed(ProfileType(of_type)), nl=False)


def _profile(name: str) -> CertificateProfile:
    """Return the profile of that name in the files as they are now, or the one in the file of that path."""
    if name.endswith(".yaml"):
        return load_profile(Path(name))
    profiles = load_profiles(program().profiles())
    if name not in profiles:
        raise Failed(f"There is no profile {name}; there are {', '.join(profiles)}.")
    return profiles[name]


def _print_explanation(explanation: Explanation, *, as_json: bool) -> None:
    draft = explanation.draft
    outcome = "refused" if explanation.refused else "issued"
    head = {"profile": explanation.profile.name, "sha256": explanation.profile.sha256, "ca": explanation.ca_name}
    rows = [dataclasses.asdict(decision) for decision in explanation.decisions]
    if as_json:
        certificate = {"certificate": certificate_fields(draft), "text": to_be_signed_text(draft)} if draft else {}
        click.echo(json.dumps({**head, "outcome": outcome, "decisions": rows, **certificate}, indent=2))
        return
    print_fields({**head, "outcome": f"would be {outcome}"}, as_json=False)
    click.echo()
    print_rows(rows, as_json=False)
    if draft is not None:
        click.echo(f"\n{to_be_signed_text(draft)}", nl=False)
