"""Measures how fast device events are absorbed: from the bytes of a message to the durable end entity; no Kafka.

First with the database to themselves, then beside a server that signs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from app.frontends.device_events.message import device_message
from app.operations.actor import Actor
from app.operations.devices import DeviceEvent, Outcome
from app.store.device_events import EventPosition
from bench.devices import Device
from bench.installation import Installation
from bench.load import LoadClient
from bench.plan import Plan
from bench.server import Server

_KAFKA: Final = Actor("device events", "kafka", "admin")
_CONNECTIONS: Final = 8
_BATCHES: Final = (1, 200)
"""One message at a time, as they come in quiet hours, and as many as the consumer takes when they have piled up."""


@dataclass(frozen=True)
class EventsResult:
    """Create events/s by the size of a batch, which is one transaction; ``longest_ms`` is the longest transaction.

    ``again_rate`` is the rate of the same events once more, which change nothing; ``beside_signing`` that of new ones,
    in the largest batches, while the server signed ``certificates`` at ``signing_rate`` per second.
    """

    events: int
    rates: dict[int, float]
    longest_ms: dict[int, float]
    again_rate: float
    beside_signing: float
    certificates: int
    signing_rate: float


def measure_events(directory: Path, plan: Plan, devices: Sequence[Device]) -> EventsResult:
    """Absorb the plan's number of create events for each size of a batch, then as many as come while devices enrol."""
    installation = Installation.create(directory, "RSA-4096")
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
    beside, signing_rate = _beside_signing(installation, directory, devices)
    installation.services.database.close()
    return EventsResult(plan.device_events, rates, longest, again, beside, len(devices), signing_rate)


def _beside_signing(installation: Installation, directory: Path, devices: Sequence[Device]) -> tuple[float, float]:
    """Return events/s and certificates/s while both were at work, in processes of their own."""
    installation.register(devices)
    enrolments, size, absorbed = [device.enrolment() for device in devices], _BATCHES[-1], 0
    with LoadClient() as client, Server(directory) as server, ThreadPoolExecutor(1) as pool:
        burst = pool.submit(client.burst, server.port, enrolments, _CONNECTIONS)
        started = time.perf_counter()
        while not burst.done():
            messages = [_message(f"9{number:06x}") for number in range(absorbed, absorbed + size)]
            absorbed += size * sum(1 for _ in _absorbed(installation, messages, size, Outcome.ADDED, absorbed))
        seconds = time.perf_counter() - started
    burst.result().expect(HTTPStatus.OK)
    return absorbed / seconds, len(devices) / burst.result().seconds


def _absorbed(
    installation: Installation, messages: list[bytes], size: int, expected: Outcome, first: int = 0
) -> Iterator[float]:
    """Apply the messages in batches and yield the seconds that each took; ``first`` is the first one's offset."""
    for begin in range(0, len(messages), size):
        events = [_event(first + begin + number, value) for number, value in enumerate(messages[begin : begin + size])]
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
