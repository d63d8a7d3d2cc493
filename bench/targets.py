"""What was measured against what is asked of midca, row by row. The targets are those of ``bench/plan.py``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from bench.plan import (
    AUDIT_VERIFY_TARGET,
    COLD_START_TARGET,
    LIST_TARGETS,
    LISTED_TARGET,
    OCSP_TARGETS,
    RATE_TARGETS,
    RATIO_TARGETS,
    REGISTERED_TARGET,
    REVOCATIONS_TARGET,
    SEARCH_TARGET,
    SERVER_PSS_TARGET,
    STOCK_TARGET,
    TAIL_TARGET,
    WORKER_RSS_TARGET,
)

if TYPE_CHECKING:
    from bench.audit import AuditResult
    from bench.device_events import EventsResult
    from bench.ocsp import OcspResult
    from bench.report import Report
    from bench.results import KeyResult
    from bench.revocation import ListCost, RevocationResult
    from bench.scale import ScaleResult

Row = list[str]
_NONE: Final = ("", "")


def targets_of(report: Report) -> list[Row]:
    """Return the rows of all that was measured: CA key, what, figure, target, verdict."""
    rows = [row for result in report.results for row in _issue(result)]
    rows.extend(_ocsp(report.ocsp) if report.ocsp else ())
    rows.extend(_revocation(report.revocation) if report.revocation else ())
    rows.extend(_scale(report.scale) if report.scale else ())
    rows.extend(_audit(report.audit) if report.audit else ())
    rows.extend(_events(report.events) if report.events else ())
    return rows


def _issue(result: KeyResult) -> Iterator[Row]:
    key = result.ca_key
    for scenario in result.issue:
        if scenario.connections > 1:
            what, median = f"issue, {scenario.connections} connections", scenario.median
            if (ratio := RATIO_TARGETS.get(key)) is not None:
                yield [key, f"{what}, of raw limit", *_at_least(median.ratio, ratio, "", 2)]
            if (rate := RATE_TARGETS.get(key)) is not None:
                yield [key, what, *_at_least(median.rate, rate, "/s", 0)]
            yield [key, f"{what}, p99/p50", *_below(median.p99_ms / median.p50_ms, TAIL_TARGET, "", 1)]
    start = f"cold start to first 200, {result.certificates_at_cold_start} certificates on record"
    yield [key, start, *_below(result.cold_start_median, COLD_START_TARGET, " s", 2)]
    for number, rss in enumerate(result.memory.workers_rss, start=1):
        yield [key, f"RSS of process {number} after load", *_below(rss, WORKER_RSS_TARGET, " MB", 1)]
    pss = result.memory.server_pss
    yield [key, "proportional memory (PSS) of the whole server", *_below(pss, SERVER_PSS_TARGET, " MB", 1)]


def _ocsp(result: OcspResult) -> Iterator[Row]:
    for kind, scenarios in result.scenarios.items():
        best = max(scenarios, key=lambda scenario: scenario.connections)
        yield [
            "P-256",
            f"{kind}, {best.connections} connections",
            *_at_least(best.median.rate, OCSP_TARGETS[kind], "/s", 0),
        ]


def _revocation(result: RevocationResult) -> Iterator[Row]:
    key, beside = "RSA-4096", f"beside {result.already_revoked} revoked"
    yield [key, "raw durable commits, one writer", f"{result.raw_commits_median:.0f}/s", *_NONE]
    ratio = result.rate_median / result.raw_commits_median
    what = f"revocations, {beside}, {ratio:.2f} of raw commits"
    yield [key, what, *_at_least(result.rate_median, REVOCATIONS_TARGET, "/s", 0)]
    yield [key, f"the last one on the list, {beside}", *_below(result.listed_after, LISTED_TARGET, " s", 2)]
    yield from _list(key, result.list)


def _list(key: str, cost: ListCost) -> Iterator[Row]:
    seconds, megabytes = LIST_TARGETS.get(cost.entries, (None, None))
    what = f"list of {cost.entries} entries, {cost.list_megabytes:.1f} MB"
    yield [key, what, *_below(cost.seconds, seconds, " s", 2)]
    peak = f"its peak memory, {cost.base_megabytes:.0f} MB of it before"
    yield [key, peak, *_below(cost.peak_megabytes, megabytes, " MB", 0)]


def _scale(result: ScaleResult) -> Iterator[Row]:
    key, quiet, beside = "P-256", result.quiet, result.beside_list
    what = f"issue with {result.stock} certificates, entities and entries on record, by that with {result.stock_before}"
    yield [key, what, *_at_least(result.ratio_median, 1 - STOCK_TARGET, "", 2)]
    yield [key, f"cold start, {result.stock} on record", *_below(result.cold_start, COLD_START_TARGET, " s", 2)]
    yield from _list(key, result.list)
    yield [key, "issue while that list is made, by that before", f"{beside.rate / quiet.rate:.2f}", *_NONE]
    yield [key, "p99 of it", f"{beside.p99:.0f} ms ({quiet.p99:.0f} ms before)", *_NONE]
    yield [key, "p99/p50 of it", *_below(beside.p99 / beside.p50, TAIL_TARGET, "", 1)]
    yield [key, "a revocation on that list, while devices enrol", f"{result.listed_after:.1f} s", *_NONE]
    for found, milliseconds in result.searches.items():
        yield ["", f"search among {result.stock}: {found}", *_below(milliseconds, SEARCH_TARGET, " ms", 2)]
    for how, seconds in (("midca entity import", result.imported), ("POST /users", result.posted)):
        yield ["", f"{result.registered} end entities by {how}", *_below(seconds, REGISTERED_TARGET, " s", 1)]


def _audit(result: AuditResult) -> Iterator[Row]:
    what = f"{result.entries} audit entries, {result.certificates} certificates"
    yield ["", "an audit entry in its transaction, p50", f"{result.append_p50_ms:.3f} ms", *_NONE]
    yield ["", f"first checkpoint: {what}", f"{result.checkpoint_seconds:.2f} s", *_NONE]
    yield ["", f"audit verify: {what}", *_below(result.verify_seconds, AUDIT_VERIFY_TARGET, " s", 2)]
    memory = f"{result.peak_megabytes:.0f} MB (from {result.base_megabytes:.0f})"
    yield ["", f"audit verify: {what}, peak memory", memory, *_NONE]


def _events(result: EventsResult) -> Iterator[Row]:
    for size, rate in result.rates.items():
        yield ["", f"{result.events} device events, {size} in a transaction", f"{rate:.0f}/s", *_NONE]
        yield ["", f"longest transaction of {size} device events", f"{result.longest_ms[size]:.0f} ms", *_NONE]
    yield ["", "the same device events once more", f"{result.again_rate:.0f}/s", *_NONE]
    yield ["RSA-4096", "device events while devices enrol", f"{result.beside_signing:.0f}/s", *_NONE]
    what = f"{result.certificates} certificates while device events are absorbed"
    yield ["RSA-4096", what, f"{result.signing_rate:.0f}/s", *_NONE]


def _below(measured: float, target: float | None, unit: str, digits: int) -> Row:
    if target is None:
        return [f"{measured:.{digits}f}{unit}", *_NONE]
    return [f"{measured:.{digits}f}{unit}", f"< {target:g}{unit}", "met" if measured < target else "MISSED"]


def _at_least(measured: float, target: float, unit: str, digits: int) -> Row:
    return [f"{measured:.{digits}f}{unit}", f">= {target:g}{unit}", "met" if measured >= target else "MISSED"]
