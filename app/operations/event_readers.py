"""Whether dojot's device events are read: what their readers tell through the database, and when that is a problem."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from app.store.database import Database
    from app.store.event_readers import EventReader, EventReaderStore

_GONE_AFTER: Final = timedelta(seconds=60)  # a reader tells of itself every few seconds
_MAY_BE_BEHIND: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class EventReaders:
    """The readers, which may be any number of processes, in this container or in others.

    ``expected`` is whether this server was told to keep one beside it, ``since`` when this process began. Others are
    known by what they told; one that ended in order has taken that back.
    """

    database: Database
    store: EventReaderStore
    now: Callable[[], datetime]
    expected: bool
    since: datetime

    def report(self, reader: EventReader, counted: Mapping[tuple[str, str], int]) -> None:
        """Take what a reader tells of itself, and add what it counted since the last time."""
        with self.database.transaction():
            self.store.remove_unseen(self.now() - _GONE_AFTER)
            self.store.save(reader)
            self.store.add(counted)

    def leave(self, reader: str, counted: Mapping[tuple[str, str], int]) -> None:
        """Take the last counts of a reader that ends because it was told to."""
        with self.database.transaction():
            self.store.remove(reader)
            self.store.add(counted)

    def at_work(self) -> list[EventReader]:
        """Return those that were seen just now."""
        seen_since = self.now() - _GONE_AFTER
        return [reader for reader in self.store.all() if reader.seen_at >= seen_since]

    def problem(self) -> str | None:
        """Return ``ok``, or a sentence that says what is wrong; None where device events are nobody's business."""
        readers, now = self.store.all(), self.now()
        if not readers and not self.expected:
            return None
        last = max((reader.seen_at for reader in readers), default=self.since)
        if last < now - _GONE_AFTER:
            return f"No process reads dojot's device events since {_text(last)}; its log says why."
        slowest = min(self.at_work(), key=lambda reader: reader.caught_up_at, default=None)
        if slowest is not None and slowest.caught_up_at < now - _MAY_BE_BEHIND:
            return f"Device events are not read to their end since {_text(slowest.caught_up_at)}: {slowest.trouble}."
        return "ok"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
