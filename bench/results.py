"""The figures: of one round, and the medians over all rounds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load import Burst
from bench.server import Memory


@dataclass(frozen=True)
class Figures:
    """One burst, or the median of several. ``ratio`` is the rate by the raw signatures/s of the same round.

    ``server_cpu_ms`` is the server's processor time per request; ``server_cores`` and ``client_cores`` say how many
    processors server and client kept busy.
    """

    rate: float
    ratio: float
    p50_ms: float
    p99_ms: float
    max_ms: float
    server_cpu_ms: float
    server_cores: float
    client_cores: float

    @classmethod
    def of(cls, burst: Burst, server_cpu: float, raw_rate: float) -> Figures:
        """Return the figures of one burst."""
        count = len(burst.latencies)
        percentiles = statistics.quantiles(burst.latencies, n=100, method="inclusive")
        return cls(
            rate=count / burst.seconds,
            ratio=count / burst.seconds / raw_rate,
            p50_ms=percentiles[49],
            p99_ms=percentiles[98],
            max_ms=max(burst.latencies),
            server_cpu_ms=server_cpu / count * 1000,
            server_cores=server_cpu / burst.seconds,
            client_cores=burst.client_cpu_seconds / burst.seconds,
        )

    @classmethod
    def median(cls, rounds: Sequence[Figures]) -> Figures:
        """Return the median of each figure, but the greatest of ``max_ms``."""
        middle = {name: statistics.median(getattr(one, name) for one in rounds) for name in cls.__dataclass_fields__}
        return cls(**{**middle, "max_ms": max(one.max_ms for one in rounds)})


@dataclass(frozen=True)
class Scenario:
    """A kind of request at a number of connections; ``requests`` is over all rounds."""

    connections: int
    requests: int
    median: Figures
    rounds: list[Figures]


@dataclass(frozen=True)
class KeyResult:
    """All that was measured with one kind of CA key. Rates are per second; cold starts in seconds."""

    ca_key: str
    journal_mode: str
    raw_signatures: list[float]
    raw_signatures_median: float
    raw_commits: list[float]
    raw_commits_median: float
    issue: list[Scenario]
    wrong_password: Scenario
    memory: Memory
    cold_starts: list[float]
    cold_start_median: float
    certificates_at_cold_start: int
