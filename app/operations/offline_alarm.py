"""Says in time that a ceremony is due: what an offline key has to sign anew, no process here can."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Refusal
from app.store.revocation_lists import ListDates

if TYPE_CHECKING:
    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.ocsp_responders import OcspResponders
    from app.operations.revocation_lists import RevocationLists
    from app.pki.certificate_authority import CertificateAuthority

_log = logging.getLogger("midca")
_AHEAD: Final = timedelta(days=60)
_EVERY: Final = timedelta(days=1)


@dataclass
class OfflineAlarm:
    """Looks at the lists and OCSP responders of CAs whose key is offline."""

    authorities: Authorities
    lists: RevocationLists
    responders: OcspResponders
    now: Callable[[], datetime]
    _said_at: datetime | None = field(default=None, init=False)

    def warnings(self) -> list[str]:
        """Return a sentence for each thing that ends soon or has ended."""
        offline = [authority for authority in self.authorities if authority.offline]
        return [warning for authority in offline for warning in self._warnings(authority)]

    def log_due(self, _actor: Actor) -> int:
        """Log the warnings once a day and process; return how many there were."""
        now = self.now()
        if self._said_at is not None and timedelta(0) <= now - self._said_at < _EVERY:
            return 0
        warnings = self.warnings()
        for warning in warnings:
            _log.warning(warning)
        self._said_at = now
        return len(warnings)

    def _warnings(self, authority: CertificateAuthority) -> Iterator[str]:
        hint = "Its key is offline: hold a ceremony (docs/keys.md)."
        newest = list(self.lists.store.newest(authority.name).values())
        if not newest:
            yield f"CA {authority.name} has no CRL. {hint}"
        elif self._ends_soon(*_life(min(newest, key=lambda stored: stored.next_update))):
            end = min(stored.next_update for stored in newest)
            yield f"The CRL of CA {authority.name} ends at {end.isoformat(timespec='seconds')}. {hint}"
        if any(stored.revision < self.lists.store.revision(authority.name) for stored in newest):
            yield f"A revocation is not on the CRL of CA {authority.name} yet. {hint}"
        try:
            certificate = self.responders.current(authority).certificate
        except Refusal as refusal:
            yield f"{refusal} {hint}"
            return
        if self._ends_soon(certificate.not_valid_before_utc, certificate.not_valid_after_utc):
            end = certificate.not_valid_after_utc
            yield f"The OCSP responder of CA {authority.name} ends at {end.isoformat(timespec='seconds')}. {hint}"

    def _ends_soon(self, begin: datetime, end: datetime) -> bool:
        return end - self.now() < min(_AHEAD, (end - begin) / 2)


def _life(stored: ListDates) -> tuple[datetime, datetime]:
    return stored.this_update, stored.next_update
