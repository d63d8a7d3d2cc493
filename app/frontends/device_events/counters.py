"""What the process has done since it started, for its log lines and for whoever exports it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Counters:
    """Plain numbers. Times are seconds since 1970, None before the first.

    ``outcomes`` counts events by what came of them, ``skipped`` messages by why they were passed by, ``lag`` the
    messages of each topic that are not applied yet. ``not_in_dojot`` are the devices of the last complete comparison
    that are here and not in dojot, ``revoked_here`` those that are in dojot and REVOKED here.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    ignored: int = 0
    retries: int = 0
    tenants: int = 0
    lag: Counter[str] = field(default_factory=Counter)
    listed: int = 0
    added_by_sync: int = 0
    not_in_dojot: int = 0
    revoked_here: int = 0
    shared_names: int = 0
    synced_at: float | None = None

    def totals(self) -> Counter[tuple[str, str]]:
        """Return what only grows, by kind and label."""
        return Counter(
            {
                **{("event", outcome): number for outcome, number in self.outcomes.items()},
                ("event", "ignored"): self.ignored,
                **{("skipped", why): number for why, number in self.skipped.items()},
                ("sync", "listed"): self.listed,
                ("sync", "added"): self.added_by_sync,
            }
        )

    def as_fields(self, now: float) -> dict[str, Any]:
        """Return the counters as fields of a log line; ``sync_age`` is in seconds."""
        fields = {**vars(self), "outcomes": dict(self.outcomes), "skipped": dict(self.skipped), "lag": dict(self.lag)}
        del fields["synced_at"]
        return {**fields, "sync_age": None if self.synced_at is None else round(now - self.synced_at)}
