"""Measures how fast device events are absorbed: from the bytes of a message to the durable end entity; no Kafka."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.frontends.device_events.message import device_message
from app.operations.actor import Actor
from app.operations.devices import DeviceEvent, Outcome
from app.store.device_events import EventPosition
from bench.installation import Installation
from bench.plan import Plan

_KAFKA: Final = Actor("device events", "kafka", "admin")
_BATCHES: Final = (1, 200)
"""One message at a time, as they come in quiet hours, and as many as the consumer takes when they have piled up."""


@dataclass(frozen=True)
class EventsResult:
    """Create events/s by the size of a batch, which is one transaction; ``longest_ms`` is the longest transaction.

    ``again_rate`` is the rate of the same events once more, which change nothing.
    """

    events: int
    rates: dict[int, float]
    longest_ms: dict[int, float]
    again_rate: float


def measure_events(directory: Path, plan: Plan) -> EventsResult:
    """Absorb the plan's number of create events for each size of a batch."""
    installation = Installation.create(directory, "P-256")
    rates, longest = {}, {}
    for number, size in enumerate(_BATCHES):
        messages = [_message(f"{number}{device:06x}") for device in range(plan.device_events)]
        started = time.perf_counter()
        longest[size] = max(_absorbed(installation, messages, size, Outcome.ADDED)) * 1000
        rates[size] = len(messages) / (time.perf_counter() - started)
    started = time.perf_counter()
    for _ in _absorbed(installation, messages, _BATCHES[-1], Outcome.LATE):
        pass
    again = len(messages) / (time.perf_counter() - started)
    installation.services.database.close()
    return EventsResult(plan.device_events, rates, longest, again)


def _absorbed(installation: Installation, messages: list[bytes], size: int, expected: Outcome) -> Iterator[float]:
    """Apply the messages in batches and yield the seconds that each took."""
    for begin in range(0, len(messages), size):
        events = [_event(begin + number, value) for number, value in enumerate(messages[begin : begin + size])]
        started = time.perf_counter()
        results = installation.services.devices.apply(events)
        yield time.perf_counter() - started
        if {result.outcome for result in results} != {expected}:
            raise RuntimeError(f"events came out as {results[0]}")


def _event(offset: int, value: bytes) -> DeviceEvent:
    said = device_message(value, "admin")
    if said is None:
        raise RuntimeError("the message was ignored")
    return DeviceEvent(said.change, said.device, _KAFKA, EventPosition("bench", offset % 10, offset, 1 + offset))


def _message(device: str) -> bytes:
    """Return an event of the size that dojot's have."""
    attribute: dict[str, Any] = {"label": "temperature", "id": 11, "template_id": "1", "type": "dynamic"}
    attribute |= {"created": "2019-01-07T12:20:55.032796+00:00", "value_type": "float"}
    data = {"id": device, "label": "device", "templates": [1, 2], "attrs": {"1": [attribute] * 3, "2": [attribute]}}
    return json.dumps({"event": "create", "meta": {"service": "admin"}, "data": data}).encode()
