"""The last events of each device, by which one that comes twice or late is known."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.store.database import Database


@dataclass(frozen=True)
class EventPosition:
    """Where an event stood in its stream, and when it was sent: milliseconds since 1970, None where nobody says."""

    topic: str
    partition: int
    offset: int
    sent_at: int | None = None

    def follows(self, last: EventPosition) -> bool:
        """Return whether this event came after ``last``.

        Within a partition the offset decides, whatever clocks say; only a topic that was made anew counts from zero
        again. Between partitions there is no order but the time of sending.
        """
        same = (self.topic, self.partition) == (last.topic, last.partition)
        if same and self.offset > last.offset:
            return True
        if self.sent_at is None or last.sent_at is None:
            return not same
        return self.sent_at > last.sent_at if same else self.sent_at >= last.sent_at

    def no_earlier_than(self, last: EventPosition | None) -> EventPosition:
        """Return this position with the later of both times: a clock that went back makes no event new twice."""
        if last is None or last.sent_at is None or (self.sent_at is not None and self.sent_at >= last.sent_at):
            return self
        return replace(self, sent_at=last.sent_at)


class DeviceEventStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def last(self, username: str, change: str) -> EventPosition | None:
        """Return the last event of that kind that came for the device, or None."""
        row = self._database.row(
            "SELECT topic, topic_partition, topic_offset, sent_at FROM device_events "
            "WHERE username = :username AND change = :change",
            username=username,
            change=change,
        )
        if row is None:
            return None
        return EventPosition(row["topic"], row["topic_partition"], row["topic_offset"], row["sent_at"])

    def save(self, username: str, change: str, position: EventPosition) -> None:
        """Remember an event as the device's last of that kind."""
        self._database.execute(
            "INSERT INTO device_events (username, change, topic, topic_partition, topic_offset, sent_at) "
            "VALUES (:username, :change, :topic, :partition, :offset, :sent_at) "
            "ON CONFLICT (username, change) DO UPDATE SET "
            "topic = excluded.topic, topic_partition = excluded.topic_partition, "
            "topic_offset = excluded.topic_offset, sent_at = excluded.sent_at",
            username=username,
            change=change,
            **vars(position),
        )
