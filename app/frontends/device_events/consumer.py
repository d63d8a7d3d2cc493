"""The loop: messages in, end entities out, and only then the offsets."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, TypeVar

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Message

from app.errors import Unavailable
from app.frontends.device_events.configuration import Configuration
from app.frontends.device_events.counters import Counters
from app.frontends.device_events.dojot_http import Dojot
from app.frontends.device_events.message import Poison, device_message, new_tenant
from app.frontends.device_events.reporter import Reporter
from app.frontends.device_events.stream import Stream
from app.frontends.device_events.sync import Sync
from app.frontends.device_events.topics import Topics
from app.operations.actor import Actor
from app.operations.devices import DeviceEvent, Outcome, Result
from app.store.device_events import EventPosition

if TYPE_CHECKING:
    from app.operations.services import Services

_log = logging.getLogger("midca.events")
_WAIT: Final = 0.5
_WAIT_IN_SYNC: Final = 0.02
_DATABASE_AGAIN: Final = 1.0
_STATUS_EVERY: Final = 60.0
_ONCE_PATIENCE: Final = 60.0
_T = TypeVar("_T")


class EventConsumer:
    """One thread that reads events, and between them takes the steps of the comparison with device-manager.

    At least once: the offset is committed after the database, and what comes twice changes nothing.
    """

    def __init__(self, configuration: Configuration, services: Services, stop: threading.Event) -> None:
        """Take where to read, what to act on, and the event that ends the loop."""
        dojot = Dojot(configuration)
        self.counters = Counters()
        self._configuration = configuration
        self._services = services
        self._stop = stop
        self._topics = Topics(configuration, dojot, self.counters)
        self._sync = Sync(configuration, dojot, services, self.counters)
        self._stream = Stream(configuration)
        self._reporter = Reporter(services.event_readers, self.counters, self._topics, self._stream)

    def run(self) -> None:
        """Read until ``stop`` is set."""
        status_at = time.monotonic() + _STATUS_EVERY
        while not self._stop.is_set():
            self._turn()
            self._reporter.tell(time.monotonic())
            if time.monotonic() >= status_at:
                self._log_status()
                status_at = time.monotonic() + _STATUS_EVERY
        self._log_status()
        self._end()

    def run_once(self) -> bool:
        """Read all there is and compare once; return False when something of it could not be had for a minute."""
        progress, deadline = -1, 0.0
        while not self._stop.is_set():
            self._turn()
            if progress != (progress := self.counters.listed + self.counters.outcomes.total()):
                deadline = time.monotonic() + _ONCE_PATIENCE
            if self._all_read() or self._sync.incomplete or time.monotonic() > deadline:
                break
        complete = self._all_read()
        self.counters.lag = self._stream.lag()
        self._end()
        return complete

    def _end(self) -> None:
        self._reporter.leave()
        self._stream.close()

    def _all_read(self) -> bool:
        return self._topics.complete and self.counters.synced_at is not None and self._stream.drained()

    def _turn(self) -> None:
        self._topics.refresh(time.monotonic())
        self._stream.subscribe(self._topics.subscription())
        if self._topics.listed:
            self._patiently(lambda: self._sync.step(time.monotonic(), self._topics.tenants))
        messages = self._stream.batch(_WAIT_IN_SYNC if self._sync.running else _WAIT)
        if messages and self._patiently(lambda: self._absorb(messages)) is not None:
            self._stream.done(messages, wait=self._stop.is_set())

    def _absorb(self, messages: Sequence[Message]) -> int:
        """Apply a batch in one transaction; return how many events it held."""
        events: list[DeviceEvent] = []
        skipped: list[tuple[Message, str]] = []
        tenants: list[str] = []
        for message in messages:
            try:
                event = self._read(message, tenants)
            except Poison as poison:
                skipped.append((message, poison.why))
            else:
                events += [event] if event else []
        results = self._apply(events)
        self._count(messages, events, results, skipped)
        for tenant in tenants:
            if self._topics.add(tenant):
                _log.info("a new tenant", extra={"fields": {"tenant": tenant}})
                self._sync.hurry()
        return len(events)

    def _read(self, message: Message, tenants: list[str]) -> DeviceEvent | None:
        topic = message.topic() or ""
        tenant = self._topics.tenant_of(topic)
        if tenant is None:
            tenants += [added] if (added := new_tenant(message.value())) else []
            return None
        said = device_message(message.value(), tenant)
        if said is None:
            return None
        kind, sent_at = message.timestamp()
        position = EventPosition(
            topic,
            message.partition() or 0,
            message.offset() or 0,
            None if kind == TIMESTAMP_NOT_AVAILABLE else sent_at,
        )
        username = self._configuration.names.username(tenant, said.device)
        return DeviceEvent(said.change, username, Actor("device events", "kafka", tenant), position)

    def _apply(self, events: Sequence[DeviceEvent]) -> list[Result]:
        """Apply all in one transaction; after an unexpected error each alone, so that one does not stop the others."""
        if not events:
            return []
        try:
            return self._services.devices.apply(events)
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 -- a bug that one device meets must not keep all others out
            _log.exception("unexpected error, the events of this batch are applied one by one")
        return [self._apply_alone(event) for event in events]

    def _apply_alone(self, event: DeviceEvent) -> Result:
        try:
            return self._services.devices.apply([event])[0]
        except Unavailable:
            raise
        except Exception:  # noqa: BLE001 -- the same; the next comparison finds the device again
            _log.exception("unexpected error", extra={"fields": {"entity": event.username}})
            return Result(Outcome.REFUSED, "unexpected error")

    def _count(
        self,
        messages: Sequence[Message],
        events: Sequence[DeviceEvent],
        results: Sequence[Result],
        skipped: Sequence[tuple[Message, str]],
    ) -> None:
        self.counters.ignored += len(messages) - len(events) - len(skipped)
        for event, result in zip(events, results, strict=True):
            self.counters.outcomes[result.outcome.value] += 1
            level = logging.WARNING if result.outcome is Outcome.REFUSED else logging.INFO
            fields = {"event": event.change.value, "entity": event.username, "outcome": result.outcome.value}
            _log.log(
                level, "device event", extra={"fields": fields | ({"reason": result.reason} if result.reason else {})}
            )
        for message, why in skipped:
            self.counters.skipped[why] += 1
            where = {"topic": message.topic(), "partition": message.partition(), "offset": message.offset()}
            size = len(message.value() or b"")
            _log.warning("a message is passed by", extra={"fields": {"why": why, **where, "bytes": size}})

    def _patiently(self, act: Callable[[], _T]) -> _T | None:
        """Do it again until the database is there; return None only when the loop is to end first."""
        while not self._stop.is_set():
            try:
                return act()
            except Unavailable as refusal:
                self.counters.retries += 1
                _log.warning("tried again, nothing is lost: %s", refusal)
                self._services.database.close()  # a file that was put back is another file
                self._stop.wait(_DATABASE_AGAIN)
        return None

    def _log_status(self) -> None:
        self.counters.lag = self._stream.lag()
        _log.info("device events so far", extra={"fields": self.counters.as_fields(time.time())})


def consume(
    configuration: Configuration, services: Services, stop: threading.Event, *, once: bool
) -> tuple[Counters, bool]:
    """Consume until ``stop`` is set, or ``once`` all there is; return the counters, and whether all was read.

    Raises the refusal that every device would meet, before the first message is read.
    """
    services.devices.check()
    consumer = EventConsumer(configuration, services, stop)
    if once:
        return consumer.counters, consumer.run_once()
    consumer.run()
    return consumer.counters, True
