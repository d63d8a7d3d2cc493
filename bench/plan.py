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
    list_sizes: tuple[int, ...]
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
COLD_START_TARGET: Final = 2.0
"""Seconds."""
WORKER_RSS_TARGET: Final = 60.0
"""Megabytes (1 000 000 bytes)."""

DEFAULT: Final = Plan(
    rounds=5,
    devices=400,
    devices_alone=100,
    starts=5,
    raw_seconds=1.0,
    already_revoked=100_000,
    list_sizes=(100_000, 1_000_000),
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
    list_sizes=(5000,),
    audit_entries=3000,
    device_events=400,
)
