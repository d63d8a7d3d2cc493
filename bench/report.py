"""The table for people, and the same figures as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from tabulate import tabulate

from bench.audit import AuditResult
from bench.device_events import EventsResult
from bench.machine import Machine
from bench.ocsp import OcspResult
from bench.plan import Plan
from bench.results import KeyResult, Scenario
from bench.revocation import RevocationResult
from bench.scale import ScaleResult
from bench.targets import targets_of

HEADERS: Final = (
    "CA key",
    "what",
    "connections",
    "per second",
    "least - most",
    "of raw limit",
    "p50 ms",
    "p99 ms",
    "p99/p50",
    "CPU ms each",
    "cores: server",
    "client",
)
_NOT_MEASURED: Final = [""] * 6


@dataclass
class Report:
    """A whole run, or the parts of it that were asked for; ``failed`` has the reason of a part that came to nothing."""

    command: str
    machine: Machine
    plan: Plan
    seconds: float = 0.0
    results: list[KeyResult] = field(default_factory=list)
    ocsp: OcspResult | None = None
    revocation: RevocationResult | None = None
    scale: ScaleResult | None = None
    audit: AuditResult | None = None
    events: EventsResult | None = None
    failed: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> str:
        """Return everything, rounds included."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def as_text(self) -> str:
        """Return the machine, the table of rates and the table of targets."""
        rates = [row for result in self.results for row in _rates(result)]
        rates.extend(_ocsp_rates(self.ocsp) if self.ocsp else ())
        failed = [f"FAILED: {part}: {reason}" for part, reason in self.failed.items()]
        return "\n\n".join(
            (
                self._preamble(),
                tabulate(rates, HEADERS, tablefmt="github", disable_numparse=True, colalign=_alignment(2, 10)),
                tabulate(
                    targets_of(self),
                    ("CA key", "what", "measured", "target", ""),
                    tablefmt="github",
                    disable_numparse=True,
                    colalign=_alignment(2, 3),
                ),
                *failed,
            )
        )

    def _preamble(self) -> str:
        machine, plan = self.machine, self.plan
        journals = ", ".join(sorted({result.journal_mode for result in self.results})) or "not looked at"
        libraries = (
            f"cryptography {machine.cryptography} with {machine.openssl}, SQLite {machine.sqlite} (journal: {journals})"
        )
        devices = f"{plan.rounds} rounds of {plan.devices} devices with RSA-2048 keys of their own"
        return "\n".join(
            (
                f"{self.command}  ({self.seconds:.0f} s)",
                f"{machine.cpu}, {machine.processors} processors, {machine.kernel}, load before the run {machine.load}",
                f"midca {machine.midca}, Python {machine.python}, {libraries}, {machine.filesystem}",
                f"Medians of {devices}, shipped profile CFREE; the client runs on the same processors.",
            )
        )


def _rates(result: KeyResult) -> Iterator[list[str]]:
    yield [result.ca_key, "raw signatures, all cores", "", *raw(result.raw_signatures), "1.00", *_NOT_MEASURED]
    yield [result.ca_key, "raw durable commits, one writer", "", *raw(result.raw_commits), "", *_NOT_MEASURED]
    for scenario in result.issue:
        yield [result.ca_key, "issue", *figures(scenario, f"{scenario.median.ratio:.2f}")]
    yield [result.ca_key, "refuse a wrong password", *figures(result.wrong_password, "")]


def raw(rates: Sequence[float]) -> list[str]:
    """Return the cells of a rate: median, least and most."""
    return [f"{statistics.median(rates):.0f}", f"{min(rates):.0f} - {max(rates):.0f}"]


def figures(scenario: Scenario, ratio: str) -> list[str]:
    """Return the cells of a scenario from its connections on."""
    median = scenario.median
    return [
        str(scenario.connections),
        *raw([one.rate for one in scenario.rounds]),
        ratio,
        f"{median.p50_ms:.1f}",
        f"{median.p99_ms:.1f}",
        f"{median.p99_ms / median.p50_ms:.1f}",
        f"{median.server_cpu_ms:.2f}",
        f"{median.server_cores:.2f}",
        f"{median.client_cores:.2f}",
    ]


def _ocsp_rates(result: OcspResult) -> Iterator[list[str]]:
    yield ["P-256", "raw signatures, all cores", "", *raw(result.raw_signatures), "1.00", *_NOT_MEASURED]
    for kind, scenarios in result.scenarios.items():
        for each in scenarios:
            yield ["P-256", kind, *figures(each, f"{each.median.ratio:.3f}")]


def _alignment(left: int, right: int) -> tuple[Any, ...]:
    return ("left",) * left + ("right",) * right
