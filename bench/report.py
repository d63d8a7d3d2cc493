"""The table for people, and the same figures as JSON."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from tabulate import tabulate

from bench.audit import AuditResult
from bench.device_events import EventsResult
from bench.machine import Machine
from bench.plan import (
    AUDIT_VERIFY_TARGET,
    COLD_START_TARGET,
    LISTED_TARGET,
    REVOCATIONS_TARGET,
    WORKER_RSS_TARGET,
    Plan,
)
from bench.results import KeyResult, Scenario
from bench.revocation import RevocationResult

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


@dataclass(frozen=True)
class Report:
    """A whole run."""

    command: str
    seconds: float
    machine: Machine
    plan: Plan
    results: Sequence[KeyResult]
    revocation: RevocationResult
    audit: AuditResult
    events: EventsResult

    def as_json(self) -> str:
        """Return everything, rounds included."""
        targets = {"cold_start_seconds": COLD_START_TARGET, "worker_rss_megabytes": WORKER_RSS_TARGET}
        return json.dumps({**asdict(self), "targets": targets}, indent=2) + "\n"

    def as_text(self) -> str:
        """Return the machine, the table of rates and the table of targets."""
        rates = [row for result in self.results for row in _rates(result)]
        targets = [row for result in self.results for row in _targets(result)]
        targets.extend(_revocation(self.revocation))
        targets.extend(_audit(self.audit))
        targets.extend(_events(self.events))
        return "\n\n".join(
            (
                self._preamble(),
                tabulate(rates, HEADERS, tablefmt="github", disable_numparse=True, colalign=ALIGNMENT),
                tabulate(
                    targets,
                    ("CA key", "what", "measured", "target", ""),
                    tablefmt="github",
                    disable_numparse=True,
                    colalign=_alignment(2, 3),
                ),
            )
        )

    def _preamble(self) -> str:
        machine, plan = self.machine, self.plan
        journals = ", ".join(sorted({result.journal_mode for result in self.results}))
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


def _targets(result: KeyResult) -> Iterator[list[str]]:
    start = f"cold start to first 200, {result.certificates_at_cold_start} certificates on record"
    yield [result.ca_key, start, *_against(result.cold_start_median, COLD_START_TARGET, "s", 2)]
    for number, rss in enumerate(result.memory.workers_rss, start=1):
        yield [result.ca_key, f"RSS of worker {number} after load", *_against(rss, WORKER_RSS_TARGET, "MB", 1)]
    pss = f"{result.memory.server_pss:.1f} MB"
    yield [result.ca_key, "proportional memory (PSS) of the whole server", pss, "", ""]


def _revocation(result: RevocationResult) -> Iterator[list[str]]:
    key, beside = "RSA-4096", f"beside {result.already_revoked} revoked"
    yield [key, "raw durable commits, one writer", f"{result.raw_commits_median:.0f}/s", "", ""]
    rate, ratio = f"{result.rate_median:.0f}/s", result.rate_median / result.raw_commits_median
    verdict = "met" if result.rate_median >= REVOCATIONS_TARGET else "MISSED"
    yield [key, f"revocations, {beside}, {ratio:.2f} of raw commits", rate, f">= {REVOCATIONS_TARGET:g}/s", verdict]
    yield [key, f"the last one on the list, {beside}", *_against(result.listed_after, LISTED_TARGET, "s", 2)]
    for cost in result.lists:
        seconds, peak = f"{cost.seconds:.2f} s", f"{cost.peak_megabytes:.0f} MB (from {cost.base_megabytes:.0f})"
        yield [key, f"list of {cost.entries} entries, {cost.list_megabytes:.1f} MB", seconds, "", ""]
        yield [key, f"list of {cost.entries} entries, peak memory", peak, "", ""]


def _audit(result: AuditResult) -> Iterator[list[str]]:
    what = f"{result.entries} audit entries, {result.certificates} certificates"
    yield ["", "an audit entry in its transaction, p50", f"{result.append_p50_ms:.3f} ms", "", ""]
    yield ["", f"first checkpoint: {what}", f"{result.checkpoint_seconds:.2f} s", "", ""]
    yield ["", f"audit verify: {what}", *_against(result.verify_seconds, AUDIT_VERIFY_TARGET, "s", 2)]
    memory = f"{result.peak_megabytes:.0f} MB (from {result.base_megabytes:.0f})"
    yield ["", f"audit verify: {what}, peak memory", memory, "", ""]


def _events(result: EventsResult) -> Iterator[list[str]]:
    for size, rate in result.rates.items():
        yield ["", f"{result.events} device events, {size} in a transaction", f"{rate:.0f}/s", "", ""]
        yield ["", f"longest transaction of {size} device events", f"{result.longest_ms[size]:.0f} ms", "", ""]
    yield ["", "the same device events once more", f"{result.again_rate:.0f}/s", "", ""]
    yield ["RSA-4096", "device events while devices enrol", f"{result.beside_signing:.0f}/s", "", ""]
    what = f"{result.certificates} certificates while device events are absorbed"
    yield ["RSA-4096", what, f"{result.signing_rate:.0f}/s", "", ""]


def _against(measured: float, target: float, unit: str, digits: int) -> list[str]:
    verdict = "met" if measured < target else "MISSED"
    return [f"{measured:.{digits}f} {unit}", f"< {target:g} {unit}", verdict]


def _alignment(left: int, right: int) -> tuple[Any, ...]:
    return ("left",) * left + ("right",) * right


ALIGNMENT: Final = _alignment(2, 10)
