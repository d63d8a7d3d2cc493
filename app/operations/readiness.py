"""Whether the CA can do its work now, check by check."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Refusal
from app.store.certificate_standing import revoked_authorities

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.operations.authorities import Authorities
    from app.operations.event_readers import EventReaders
    from app.operations.ocsp_responders import OcspResponders
    from app.operations.revocation_lists import RevocationLists
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.database import Database

_MIN_FREE_BYTES: Final = 64 * 1024 * 1024
_CLOCK_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class Readiness:
    """The checks behind ``/ready``."""

    database: Database
    authorities: Authorities
    revocation_lists: RevocationLists
    ocsp_responders: OcspResponders
    audit: AuditLog
    event_readers: EventReaders
    data: Path
    now: Callable[[], datetime]

    def check(self) -> dict[str, str]:
        """Return for each check ``ok`` or a sentence that says what is wrong."""
        checks = {
            "database": self._database,
            "keys": self._keys,
            "crl": self._crl,
            "ocsp": self._ocsp,
            "disk": self._disk,
            "clock": self._clock,
        }
        results = {}
        for name, check in checks.items():
            try:
                results[name] = check() or "ok"
            except Refusal as refusal:
                results[name] = str(refusal)
        with suppress(Refusal):  # the database, whose own check says so
            if events := self.event_readers.problem():
                results["events"] = events
        return results

    def _database(self) -> str | None:
        self.database.check_writable()
        return None

    def _keys(self) -> str | None:
        for authority in self._in_use():
            if authority.offline:  # its key is meant to be away
                authority.check_validity(self.now())
            else:
                authority.check_usable(self.now())
        if not any(authority.signs_end_entities for authority in self._in_use()):
            return "Every CA that signs end entities has expired, or it or one above it was revoked by its issuer."
        return None

    def _in_use(self) -> list[CertificateAuthority]:
        """Return the CAs that have not ended: what becomes of one that has is no reason to keep the others back."""
        revoked = revoked_authorities(self.database, [authority.name for authority in self.authorities])
        return [
            authority
            for authority in self.authorities
            if not authority.has_ended(self.now()) and revoked.isdisjoint(authority.path)
        ]

    def _crl(self) -> str | None:
        for authority in self._in_use():
            self.revocation_lists.check_fresh(authority)
        return None

    def _ocsp(self) -> str | None:
        for authority in self._in_use():
            self.ocsp_responders.check(authority)
        return None

    def _disk(self) -> str | None:
        free = shutil.disk_usage(self.data).free
        if free < _MIN_FREE_BYTES:
            return f"Only {free // 1024 // 1024} MiB are free for the data directory."
        return None

    def _clock(self) -> str | None:
        there = self.database.time()
        if there is not None:  # and other servers write the log, too, perhaps by a clock that is ahead
            return _difference(self.now() - there)
        last = self.audit.last_time()
        if last is not None and self.now() < last - _CLOCK_TOLERANCE:
            return f"The clock is behind the last audit entry, which is of {last.isoformat(timespec='seconds')}."
        return None


def _difference(ahead: timedelta) -> str | None:
    if abs(ahead) <= _CLOCK_TOLERANCE:
        return None
    which = "ahead of" if ahead > timedelta(0) else "behind"
    return f"The clock is {abs(ahead) // timedelta(minutes=1)} minutes {which} that of the database's server."
