"""Compares the end entities with the devices that device-manager lists: at the start, then from time to time.

What happened while midca was away and is no longer in Kafka is caught up so. Nothing is removed by a comparison: a list
that came back empty by mistake would take all devices off the air.
"""

from __future__ import annotations

import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.frontends.device_events.configuration import Configuration, DeviceNames
from app.frontends.device_events.counters import Counters
from app.frontends.device_events.dojot_http import Dojot, DojotUnavailable, Page
from app.operations.actor import Actor
from app.pki.end_entity import EndEntityStatus

if TYPE_CHECKING:
    from app.operations.services import Services

_log = logging.getLogger("midca.events")
_TRIES: Final = 5
_FIRST_WAIT: Final = 1.0
_INCOMPLETE_AGAIN: Final = 60.0
_PAGE: Final = 500
_MAX_NAMED: Final = 20
_DOJOT_ID: Final = re.compile(r"[0-9a-f]{5,6}", re.ASCII)  # others are brokers and people, which dojot never lists


@dataclass
class _Comparison:
    """What is still to read, and what was read so far: ``owners`` is the tenant of each name."""

    began: datetime
    unread: deque[tuple[str, int]]
    failures: Counter[str] = field(default_factory=Counter)
    given_up: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    shared: int = 0
    revoked: list[str] = field(default_factory=list)
    after: str | None = ""  # the last end entity that was looked for in dojot, None when all were
    missing: list[str] = field(default_factory=list)


class Sync:
    """A comparison in small steps, so that events are not kept waiting by it. Times are monotonic seconds.

    A page that cannot be had is asked for again, so a restart of device-manager costs nothing but time.
    """

    def __init__(self, configuration: Configuration, dojot: Dojot, services: Services, counters: Counters) -> None:
        """Take where to read, and what to compare it with."""
        self._names = configuration.names
        self._interval = configuration.sync_interval.total_seconds()
        self._dojot = dojot
        self._services = services
        self._counters = counters
        self._due = self._wait_until = 0.0
        self._current: _Comparison | None = None
        self.incomplete = False

    @property
    def running(self) -> bool:
        """True from the first page to the last."""
        return self._current is not None

    def hurry(self) -> None:
        """Begin the next comparison as soon as this one is over, as for a tenant that is new."""
        self._due = 0.0

    def step(self, now: float, tenants: Callable[[], Iterable[str]]) -> None:
        """Read a page, or compare a page, if there is a reason to.

        Raises :class:`app.errors.Unavailable` when the database is; the same step is then taken again.
        """
        if self._current is None:
            if now < self._due:
                return
            self._due = now + self._interval
            self._current = _Comparison(self._services.devices.now(), deque((tenant, 1) for tenant in tenants()))
        if self._current.unread:
            if now < self._wait_until:
                return
            self._read(self._current, now)
        elif self._current.after is not None and not self._current.given_up:
            self._compare(self._current)
        else:
            self._finish(self._current, now)

    def _read(self, current: _Comparison, now: float) -> None:
        tenant, number = current.unread[0]
        try:
            page = self._dojot.devices(tenant, number)
        except DojotUnavailable as error:
            self._failed(current, now, error)
            return
        self._listed(current, tenant, page)
        current.failures[tenant] = 0
        current.unread.popleft()
        if page.next_page is not None:
            current.unread.appendleft((tenant, page.next_page))

    def _failed(self, current: _Comparison, now: float, error: DojotUnavailable) -> None:
        """Try the others first, this tenant later from the same page on, and leave it when that goes on."""
        tenant, number = current.unread.popleft()
        current.failures[tenant] += 1
        if current.failures[tenant] < _TRIES:
            current.unread.append((tenant, number))
        else:
            current.given_up.append(tenant)
        self._wait_until = now + _FIRST_WAIT * 2 ** (current.failures[tenant] - 1)
        _log.warning("the devices of tenant %s cannot be listed now: %s", tenant, error)

    def _listed(self, current: _Comparison, tenant: str, page: Page) -> None:
        names = [self._names.username(tenant, device) for device in page.devices]
        listing = self._services.devices.listed(names, Actor("device events", "device-manager", tenant))
        for name in names:
            current.shared += current.owners.setdefault(name, tenant) != tenant
        current.revoked += listing.revoked
        self._counters.listed += len(names)
        self._counters.added_by_sync += len(listing.added)
        self._counters.skipped["listed with a strange id"] += page.strange
        self._counters.skipped["listed and refused"] += len(listing.refused)
        for name, reason in listing.refused.items():
            _log.warning("a listed device is refused: %s", reason, extra={"fields": {"entity": name}})

    def _compare(self, current: _Comparison) -> None:
        entities = self._services.end_entities.store.page(after=current.after or "", limit=_PAGE)
        current.missing += [
            entity.username
            for entity in entities
            if entity.status is not EndEntityStatus.REVOKED
            and entity.created_at < current.began
            and self._is_device(entity.username)
            and entity.username not in current.owners
        ]
        current.after = entities[-1].username if len(entities) == _PAGE else None

    def _is_device(self, username: str) -> bool:
        tenant, _, device = username.rpartition(":")
        return bool(_DOJOT_ID.fullmatch(device)) and bool(tenant) is (self._names is DeviceNames.TENANT_AND_ID)

    def _finish(self, current: _Comparison, now: float) -> None:
        self._current = None
        self.incomplete = bool(current.given_up)
        if self.incomplete:
            self._due = min(self._due, now + _INCOMPLETE_AGAIN)
            return
        self._counters.synced_at = time.time()
        self._counters.not_in_dojot = len(current.missing)
        self._counters.revoked_here = len(current.revoked)
        self._counters.shared_names = current.shared
        if current.shared:
            _log.warning(
                "%s devices share their id with a device of another tenant, and so the end entity", current.shared
            )
        _report("devices are here and not in dojot; revoke them if they are gone", current.missing)
        _report("devices are in dojot and REVOKED here; arm those that shall enrol", current.revoked)


def _report(what: str, names: list[str]) -> None:
    if names:
        _log.warning("%s %s", len(names), what, extra={"fields": {"entities": names[:_MAX_NAMED]}})
