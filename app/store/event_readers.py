"""What the readers of device events have told of themselves, and what they counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.store.database import columns_of
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.store.database import Database, Row


@dataclass(frozen=True)
class EventReader:
    """One process that reads device events. ``caught_up_at`` is when it last had nothing left to read.

    ``trouble`` says why it has something left now and is empty when it has not; ``lag`` is in messages. The last three
    are what its last complete comparison, of ``synced_at``, found.
    """

    reader: str
    seen_at: datetime
    caught_up_at: datetime
    trouble: str
    lag: int
    tenants: int
    synced_at: datetime | None
    not_in_dojot: int
    revoked_here: int
    shared_names: int


_READERS: Final = f"SELECT {columns_of(EventReader)} FROM event_readers"  # noqa: S608 -- constants # nosec B608


class EventReaderStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def all(self) -> list[EventReader]:
        """Return all readers that have not said goodbye."""
        return [_reader(row) for row in self._database.rows(_READERS)]

    def save(self, reader: EventReader) -> None:
        """Put what a reader tells in the place of what it told before."""
        self.remove(reader.reader)
        times = {name: value and to_text(value) for name, value in vars(reader).items() if name.endswith("_at")}
        self._database.insert("event_readers", vars(reader) | times)

    def remove(self, reader: str) -> None:
        """Forget a reader."""
        self._database.execute("DELETE FROM event_readers WHERE reader = :reader", reader=reader)

    def remove_unseen(self, since: datetime) -> None:
        """Forget the readers that were last seen before ``since``."""
        self._database.execute("DELETE FROM event_readers WHERE seen_at < :since", since=to_text(since))

    def add(self, counted: Mapping[tuple[str, str], int]) -> None:
        """Add to the totals, by kind and label."""
        for (kind, label), number in counted.items():
            self._database.execute(
                "INSERT INTO event_counts (kind, label, number) VALUES (:kind, :label, :number) "
                "ON CONFLICT (kind, label) DO UPDATE SET number = event_counts.number + excluded.number",
                kind=kind,
                label=label,
                number=number,
            )

    def totals(self) -> dict[tuple[str, str], int]:
        """Return the totals by kind and label."""
        return {
            (row["kind"], row["label"]): row["number"]
            for row in self._database.rows("SELECT kind, label, number FROM event_counts")
        }


def _reader(row: Row) -> EventReader:
    times = {name: value and from_text(value) for name, value in row.items() if name.endswith("_at")}
    return EventReader(**{**row, **times})
