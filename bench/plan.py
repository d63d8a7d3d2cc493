"""How much is measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Plan:
    """``devices`` is also the number of requests in a burst, as each device enrols once before it is armed again."""

    rounds: int
    devices: int
    devices_alone: int  # requests of the burst with one connection, which is the slowest
    starts: int
    raw_seconds: float
    already_revoked: int
    stock_before: int
    stock: int
    registered: int
    audit_entries: int
    device_events: int


CONNECTIONS: Final = (64, 8, 1)
GUESSING_CONNECTIONS: Final = 8
REVOKING_CONNECTIONS: Final = 8
REVOCATIONS_TARGET: Final = 200.0
"""A second, beside ``already_revoked``."""
LISTED_TARGET: Final = 5.0
"""Seconds from a revocation to the list."""
AUDIT_VERIFY_TARGET: Final = 10.0
"""Seconds, for ``audit_entries`` of the full plan."""
COLD_START_TARGET: Final = 1.0
"""Seconds."""
WORKER_RSS_TARGET: Final = 60.0
"""Megabytes (1 000 000 bytes)."""
SERVER_PSS_TARGET: Final = 150.0
RATIO_TARGETS: Final = {"RSA-4096": 0.5, "RSA-2048": 0.15}
"""Certificates by raw signatures of the CA key, with 8 and with 64 connections."""
RATE_TARGETS: Final = {"P-256": 1000.0}
"""Certificates a second, likewise, where a signature costs next to nothing."""
TAIL_TARGET: Final = 4.0
"""p99 by p50: more means that requests wait for each other in a convoy."""
OCSP_TARGETS: Final = {"OCSP, signed before": 2000.0, "OCSP, nonce": 1000.0}
LIST_TARGETS: Final = {100_000: (1.0, None), 1_000_000: (8.0, 600.0)}
"""Seconds and megabytes at most, by entries."""
STOCK_TARGET: Final = 0.05
"""What ``stock`` certificates, end entities and audit entries may cost of the rate with ``stock_before``."""
REGISTERED_TARGET: Final = 60.0
"""Seconds, for ``registered`` of the full plan."""
SEARCH_TARGET: Final = 20.0
"""Milliseconds."""

DEFAULT: Final = Plan(
    rounds=5,
    devices=400,
    devices_alone=100,
    starts=5,
    raw_seconds=1.0,
    already_revoked=100_000,
    stock_before=1000,
    stock=1_000_000,
    registered=100_000,
    audit_entries=1_000_000,
    device_events=10_000,
)
QUICK: Final = Plan(
    rounds=2,
    devices=80,
    devices_alone=20,
    starts=3,
    raw_seconds=0.3,
    already_revoked=1000,
    stock_before=1000,
    stock=5000,
    registered=1000,
    audit_entries=3000,
    device_events=400,
)
