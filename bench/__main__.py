"""``python -m bench``: measure and print, or profile."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import click

from bench.audit import measure_audit
from bench.device_events import measure_events
from bench.devices import make_devices
from bench.issuance_profile import profile
from bench.machine import describe
from bench.measure import measure
from bench.ocsp import measure_ocsp
from bench.plan import DEFAULT, QUICK
from bench.report import Report
from bench.revocation import measure_revocation


@click.command()
@click.option("--ca-key", default="RSA-4096,RSA-2048", show_default=True, help="CA keys, as RSA-4096,RSA-2048,P-256.")
@click.option("--quick", is_flag=True, help="Few rounds, under a minute: whether it works, not how fast it is.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write every figure to this file too.")
@click.option("--profile", "profiled", type=click.IntRange(min=1), help="Profile so many enrolments in this process.")
@click.option("--ocsp", "only_ocsp", is_flag=True, help="Measure OCSP answers, and nothing else.")
@click.option(
    "--directory",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Put the temporary data here: the file system decides what a durable commit costs.",
)
def main(
    ca_key: str,
    json_file: Path | None,
    profiled: int | None,
    directory: Path | None,
    *,
    quick: bool,
    only_ocsp: bool,
) -> None:
    """Measure midca on this machine, over the loopback interface, with data that is thrown away."""
    keys = ca_key.split(",")
    with tempfile.TemporaryDirectory(prefix="midca-bench-", dir=directory) as name:
        if profiled is not None:
            click.echo(profile(Path(name) / keys[0], keys[0], profiled))
            return
        plan = QUICK if quick else DEFAULT
        started, machine = time.monotonic(), describe(Path(name))
        if only_ocsp:
            ocsp = measure_ocsp(Path(name) / "ocsp", plan, machine)
            click.echo(ocsp.as_text())
            if json_file is not None:
                json_file.write_text(json.dumps(ocsp.as_dict(), indent=2) + "\n")
            return
        devices = make_devices(plan.devices)
        results = [measure(Path(name) / key, key, plan, devices) for key in keys]
        revocation = measure_revocation(Path(name), plan)
        audit = measure_audit(Path(name) / "audit", plan.audit_entries)
        events = measure_events(Path(name) / "events", plan, devices)
    command = " ".join(["python -m bench", *sys.argv[1:]])
    report = Report(command, time.monotonic() - started, machine, plan, results, revocation, audit, events)
    click.echo(report.as_text())
    if json_file is not None:
        json_file.write_text(report.as_json())


if __name__ == "__main__":
    main()
