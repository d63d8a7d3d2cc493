"""``midca dojot``: what a dojot installation needs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from app.client.credentials import PASSWORD, USERNAME, open_session
from app.client.errors import ClientError
from app.client.http_server import HttpServer
from app.frontends.admin_cli.context import Failed, json_option
from app.frontends.admin_cli.dojot_check.door import Door, Finding, Verdict
from app.frontends.admin_cli.dojot_check.examination import Examination, same_authority

_secret_file = click.Path(path_type=Path, allow_dash=True)
_MARKS: Final = {Verdict.OK: "ok", Verdict.NOTE: "note", Verdict.PROBLEM: "PROBLEM", Verdict.UNKNOWN: "?"}


@click.group()
def dojot() -> None:
    """Work with a dojot installation."""


@dojot.command()
@click.argument("url")
@click.option("--direct", metavar="URL", help="Look at the CA without the gateway too, as dojot's containers see it.")
@click.option("-u", "--username", envvar=USERNAME, help=f"Log in at URL as this user of dojot  [{USERNAME}]")
@click.option("--password-file", type=_secret_file, help=f"The user's password  [{PASSWORD}; else asked for]")
@click.option("--token-file", type=_secret_file, help="A token (JWT) in the place of user and password.")
@click.option("--ca", "ca_name", default="IOTmidCA", show_default=True, help="The CA to look at.")
@click.option("--https-ca", type=click.Path(path_type=Path, dir_okay=False), help="CAs to trust for https at URL.")
@json_option
def check(*, url: str, direct: str | None, ca_name: str, https_ca: Path | None, as_json: bool, **login: Any) -> None:
    """Tell what a dojot installation needs to change, from what answers at URL: its gateway, or the CA itself.

    Nothing is changed there. Exit status 1: there is a problem, and what to do about it stands below it.
    """
    try:
        doors = {url: HttpServer.at(url, ca_file=https_ca)} | ({direct: HttpServer.at(direct)} if direct else {})
        token = _token(doors[url], **login)
    except ClientError as error:
        raise Failed(f"{error} {error.advice}".strip()) from error

    def examined(name: str, shown: str | None) -> Examination:
        return Examination.of(Door(doors[name], ca_name, lambda: datetime.now(UTC), shown))

    found = {name: examined(name, token if name == url else None) for name in doors}
    if direct:
        found[direct].findings.extend(same_authority(found[url], found[direct]))
    findings = {name: examination.findings for name, examination in found.items()}
    click.echo(_as_json(findings) if as_json else "\n\n".join(_as_text(*each) for each in findings.items()))
    if any(finding.verdict is Verdict.PROBLEM for each in findings.values() for finding in each):
        raise click.exceptions.Exit(1)


def _token(server: HttpServer, username: str | None, password_file: Path | None, token_file: Path | None) -> str | None:
    wanted = bool(username or token_file)
    return open_session(server, username, password_file, token_file, login=wanted).token()


def _as_json(findings: dict[str, list[Finding]]) -> str:
    fields = {
        url: [{**asdict(finding), "verdict": finding.verdict.value} for finding in each]
        for url, each in findings.items()
    }
    return json.dumps(fields, indent=2)


def _as_text(url: str, findings: Sequence[Finding]) -> str:
    width = max(len(finding.check) for finding in findings)
    lines = [url]
    for finding in findings:
        lines.append(f"  {_MARKS[finding.verdict]:7}  {finding.check:{width}}  {finding.seen}")
        if finding.next:
            lines.append(f"  {'':7}  {'':{width}}  -> {finding.next}")
    return "\n".join(lines)
