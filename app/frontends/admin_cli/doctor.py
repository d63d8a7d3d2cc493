"""``midca doctor``: looks an installation over."""

from __future__ import annotations

import click

from app.frontends.admin_cli.context import Failed, json_option, print_rows, program, refusals_fail
from app.operations.doctor import Finding, Level


@click.command()
@json_option
@refusals_fail
def doctor(*, as_json: bool) -> None:
    """Look over data directory, keys, lists, database, settings and backups; say what to do next.

    Exit status 1 when there is a problem; warnings alone are status 0.
    """
    found = list(program().doctor().run())
    if as_json:
        print_rows([{"check": check, **vars(one)} for check, one in found], as_json=True)
    else:
        for check, one in found:
            click.echo(_line(check, one))
    problems = sum(one.level is Level.PROBLEM for _, one in found)
    if problems:
        raise Failed(f"{problems} {'problems' if problems > 1 else 'problem'}.")


def _line(check: str, finding: Finding) -> str:
    advice = f"\n{'':9}→ {finding.advice}" if finding.advice else ""
    return f"{finding.level:8} {check}: {finding.says}{advice}"
