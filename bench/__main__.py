"""``python -m bench``: measure and print, or profile."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import click

from bench.audit import measure_audit
from bench.device_events import measure_events
from bench.devices import Device, make_devices
from bench.issuance_profile import profile
from bench.machine import describe
from bench.measure import measure
from bench.ocsp import measure_ocsp
from bench.plan import DEFAULT, QUICK, Plan
from bench.report import Report
from bench.revocation import measure_revocation
from bench.scale import measure_scale

_PARTS: Final[dict[str, Callable[[Path, Plan, Sequence[Device]], Any]]] = {
    "ocsp": measure_ocsp,
    "revocation": measure_revocation,
    "scale": measure_scale,
    "audit": measure_audit,
    "events": measure_events,
}
"""What is measured besides the issuance, by the field of the report."""
PARTS: Final = ("issue", *_PARTS)


@click.command()
@click.option("--ca-key", default="RSA-4096,RSA-2048,P-256", show_default=True, help="CA keys to issue with.")
@click.option("--only", help=f"Some parts alone, as ocsp,scale, of: {', '.join(PARTS)}.")
@click.option("--quick", is_flag=True, help="Few rounds, about a minute: whether it works, not how fast it is.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every figure to this file too.")
@click.option("--profile", "profiled", type=click.IntRange(min=1), help="Profile so many enrolments in this process.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Put the temporary data here (2.5 GB): the file system decides what a durable commit costs.",
)
def main(
    ca_key: str,
    only: str | None,
    json_file: Path | None,
    profiled: int | None,
    directory: Path | None,
    *,
    quick: bool,
) -> None:
    """Measure midca on this machine, over the loopback interface, with data that is thrown away."""
    keys, parts = ca_key.split(","), only.split(",") if only else list(PARTS)
    if unknown := set(parts) - set(PARTS):
        raise click.BadParameter(f"There is no part {min(unknown)}.", param_hint="--only")
    with tempfile.TemporaryDirectory(prefix="midca-bench-", dir=directory) as name:
        if profiled is not None:
            click.echo(profile(Path(name) / keys[0], keys[0], profiled))
            return
        command = " ".join(["python -m bench", *sys.argv[1:]])
        report = Report(command, describe(Path(name)), QUICK if quick else DEFAULT)
        _measure(report, Path(name), keys, parts)
    click.echo(report.as_text())
    if json_file is not None:
        json_file.write_text(report.as_json())
    if report.failed:
        sys.exit(1)


def _measure(report: Report, directory: Path, keys: Sequence[str], parts: Sequence[str]) -> None:
    """Measure part by part; one that fails is told of, and the others go on."""
    begun, plan = time.monotonic(), report.plan
    devices = make_devices(plan.devices)
    for part in (part for part in PARTS if part in parts):
        started, place = time.monotonic(), directory / part
        try:
            if part == "issue":
                for key in keys:
                    report.results.append(measure(place / key, key, plan, devices))
            else:
                setattr(report, part, _PARTS[part](place, plan, devices))
        except Exception as error:  # noqa: BLE001 -- a run of minutes must not end without what was measured
            traceback.print_exc()
            report.failed[part] = f"{type(error).__name__}: {error}"
        shutil.rmtree(place, ignore_errors=True)
        click.echo(f"{part}: {time.monotonic() - started:.0f} s", err=True)
    report.seconds = time.monotonic() - begun


if __name__ == "__main__":
    main()
