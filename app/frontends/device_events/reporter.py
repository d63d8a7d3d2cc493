"""Tells the server, through the database, how far the events are read: it shows that at /metrics and /ready."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime
from typing import Final

from app.errors import Unavailable
from app.frontends.device_events.counters import Counters
from app.frontends.device_events.stream import Stream
from app.frontends.device_events.topics import Topics
from app.operations.event_readers import EventReaders
from app.store.event_readers import EventReader

_EVERY: Final = 10.0  # a durable write each
_A_MOMENT: Final = 200  # messages; a stream that never ends always has some that came just now


class Reporter:
    """Reports for one process. What the database cannot take now is told the next time."""

    def __init__(self, readers: EventReaders, counters: Counters, topics: Topics, stream: Stream) -> None:
        """Take whom to tell, and what there is to tell."""
        self._readers = readers
        self._counters = counters
        self._topics = topics
        self._stream = stream
        self._reader = uuid.uuid4().hex
        self._told: Counter[tuple[str, str]] = Counter()
        self._caught_up_at = readers.now()
        self._due = 0.0

    def tell(self, now: float) -> None:
        """Report when it is time to; ``now`` is of a monotonic clock."""
        if now < self._due:
            return
        self._due = now + _EVERY
        self._counters.lag = self._stream.lag()
        trouble = self._trouble()
        if not trouble:
            self._caught_up_at = self._readers.now()
        try:
            self._readers.report(self._state(trouble), self._new())
        except Unavailable:
            return
        self._told = self._counters.totals()

    def leave(self) -> None:
        """Tell the last counts, and that nobody need look for this process."""
        try:
            self._readers.leave(self._reader, self._new())
        except Unavailable:
            return
        self._told = self._counters.totals()

    def _new(self) -> Counter[tuple[str, str]]:
        return self._counters.totals() - self._told

    def _trouble(self) -> str:
        lag = self._counters.lag.total()
        if not self._stream.joined():
            return "Kafka does not answer"
        if not self._topics.complete:
            return "dojot does not tell its tenants and topics"
        return f"{lag} messages are not applied" if lag > _A_MOMENT else ""

    def _state(self, trouble: str) -> EventReader:
        counters = self._counters
        synced_at = counters.synced_at
        return EventReader(
            reader=self._reader,
            seen_at=self._readers.now(),
            caught_up_at=self._caught_up_at,
            trouble=trouble,
            lag=counters.lag.total(),
            tenants=counters.tenants,
            synced_at=None if synced_at is None else datetime.fromtimestamp(synced_at, UTC),
            not_in_dojot=counters.not_in_dojot,
            revoked_here=counters.revoked_here,
            shared_names=counters.shared_names,
        )
