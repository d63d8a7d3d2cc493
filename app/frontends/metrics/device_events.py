"""What the readers of dojot's device events have told, and who may still enrol with the password of dojot's devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from app.errors import Refusal
from app.operations.services import Services
from app.store.event_readers import EventReader

_TOTALS: Final = {
    "event": ("midca_device_events", "Messages of device events, by what came of them.", "outcome"),
    "skipped": ("midca_device_events_skipped", "Messages and listed devices that were passed by.", "reason"),
    "sync": ("midca_device_sync_devices", "Devices of the comparisons with device-manager.", "what"),
}


@dataclass(frozen=True, eq=False)  # a registry keeps its collectors by identity
class DeviceEvents(Collector):
    """The collector. Without readers the families have no samples; without a database they are left out."""

    services: Services

    def collect(self) -> Iterator[Metric]:
        """Return all families."""
        try:
            yield from [*self._totals(), *self._readers(), self._with_public_password()]
        except Refusal:  # the database; its check in midca_ready is 0
            return

    def _totals(self) -> Iterator[Metric]:
        totals = self.services.event_readers.store.totals()
        for kind, (name, text, label) in _TOTALS.items():
            family = CounterMetricFamily(name, text, labels=[label])
            for (of_kind, value), number in totals.items():
                if of_kind == kind:
                    family.add_metric([value], number)
            yield family

    def _readers(self) -> Iterator[Metric]:
        readers = self.services.event_readers.at_work()
        yield _gauge("midca_device_event_readers", "Processes that read device events.", len(readers))
        lag = sum(reader.lag for reader in readers) if readers else None
        yield _gauge("midca_device_events_lag", "Messages of Kafka that are not applied yet.", lag)
        caught_up = min((reader.caught_up_at.timestamp() for reader in readers), default=None)
        text = "Unix time at which the slowest reader last had nothing left to read."
        yield _gauge("midca_device_events_caught_up_time_seconds", text, caught_up)
        newest = _newest_comparison(readers)
        ended = newest.synced_at.timestamp() if newest and newest.synced_at else None
        yield _gauge("midca_device_sync_time_seconds", "Unix time of the last complete comparison's end.", ended)
        differences = GaugeMetricFamily(
            "midca_device_sync_differences", "What the last complete comparison found.", labels=["what"]
        )
        if newest is not None:
            for what in ("not_in_dojot", "revoked_here", "shared_names"):
                differences.add_metric([what], getattr(newest, what))
        yield differences

    def _with_public_password(self) -> Metric:
        number = self.services.end_entities.with_public_password()
        return _gauge("midca_end_entities_public_password", "Who may enrol with the password dojot.", number)


def _newest_comparison(readers: list[EventReader]) -> EventReader | None:
    return max(
        (reader for reader in readers if reader.synced_at is not None),
        key=lambda reader: reader.synced_at or reader.seen_at,
        default=None,
    )


def _gauge(name: str, text: str, value: float | None) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    if value is not None:
        family.add_metric([], value)
    return family
