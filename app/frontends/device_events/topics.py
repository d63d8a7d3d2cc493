"""Which topics are read, and whose they are.

dojot names topics in two ways: up to v0.4 data-broker makes a random name for each tenant and subject, later the name
is ``tenant.subject``. Both are read at the same time: random names are asked for, the others found by a pattern, which
alone is left where there is no data-broker.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from typing import Final

from app.frontends.device_events.configuration import Configuration
from app.frontends.device_events.counters import Counters
from app.frontends.device_events.dojot_http import Dojot, DojotUnavailable
from app.frontends.device_events.message import is_name

_log = logging.getLogger("midca.events")
_ASK_AGAIN: Final = 5.0
_TENANTS_EVERY: Final = 600.0


class Topics:
    """The tenants and the topics that are known; :meth:`refresh` asks for those that are missing.

    Times are of a monotonic clock, in seconds.
    """

    def __init__(self, configuration: Configuration, dojot: Dojot, counters: Counters) -> None:
        """Begin with the patterns alone: they need nobody's answer."""
        self._configuration = configuration
        self._dojot = dojot
        self._counters = counters
        self._tenants: set[str] = set()
        self._looked_up: dict[str, tuple[str, str]] = {}
        """The tenant and subject of each topic that data-broker has named."""
        self._failures: Counter[tuple[str, str]] = Counter()
        self._next_list = self._next_try = 0.0

    @property
    def complete(self) -> bool:
        """True when auth has listed the tenants and every topic is known, as far as there is somebody to ask."""
        return self.listed and not self._missing()

    @property
    def listed(self) -> bool:
        """True when auth has listed the tenants at least once."""
        return self._next_list > 0

    def tenant_of(self, topic: str) -> str | None:
        """Return whose devices a topic is about, None for the topic of new tenants."""
        by_name, _, rest = topic.partition(".")
        tenant, subject = self._looked_up.get(topic, (by_name, rest))
        return tenant if subject == self._configuration.devices_subject else None

    def subscription(self) -> list[str]:
        """Return the names and, with a ``^`` before it, the pattern of all topics to read."""
        subjects = "|".join(
            re.escape(subject).replace(r"\-", "-")
            for subject in (self._configuration.devices_subject, self._configuration.tenancy_subject)
        )
        return [rf"^[A-Za-z0-9_-]+\.({subjects})$", *sorted(self._looked_up)]

    def add(self, tenant: str) -> bool:
        """Add a tenant that dojot has made; return whether it was new."""
        new = tenant not in self._tenants
        self._tenants.add(tenant)
        self._counters.tenants = len(self._tenants)
        if new:
            self._next_try = 0.0
        return new

    def tenants(self) -> list[str]:
        """Return the known tenants."""
        return sorted(self._tenants)

    def refresh(self, now: float) -> None:
        """Ask for what is missing or old, unless there was no answer just before."""
        if now < self._next_try:
            return
        try:
            self._ask(now)
        except DojotUnavailable as error:
            _log.warning("dojot is asked again for tenants and topics in %.0f s: %s", _ASK_AGAIN, error)
            self._next_try = now + _ASK_AGAIN
        else:
            self._next_try = self._next_list

    def _ask(self, now: float) -> None:
        if now >= self._next_list:
            for tenant in self._dojot.tenants():
                self.add(tenant)
            self._next_list = now + _TENANTS_EVERY
        for tenant, subject in self._missing():
            try:
                topic = self._dojot.topic(tenant, subject)
            except DojotUnavailable:
                self._failures[tenant, subject] += 1
                raise
            self._looked_up[topic] = tenant, subject

    def _missing(self) -> list[tuple[str, str]]:
        """Return the tenant and subject of what is still to look up, last of all what could not be before."""
        configuration = self._configuration
        if configuration.data_broker_url is None:
            return []
        wanted = {(tenant, configuration.devices_subject) for tenant in self._tenants if is_name(tenant)}
        wanted.add((configuration.management_tenant, configuration.tenancy_subject))
        return sorted(wanted.difference(self._looked_up.values()), key=lambda each: (self._failures[each], each))
