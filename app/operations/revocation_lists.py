"""Keeps a fresh revocation list for every CA: one process at a time, also when nobody asks."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Unavailable
from app.files.protected import exclusive, exclusive_if_free
from app.pki.certificate_authority import CertificateAuthority
from app.pki.revocation_list import (
    Padding,
    RevocationListTemplate,
    RevokedEntry,
    ends_on_a_full_line,
    sign_revocation_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore
    from app.store.database import Database
    from app.store.revocation_lists import ListDates, RevocationListStore, StoredList

_log = logging.getLogger("midca")
_List = TypeVar("_List", bound="ListDates")
_BACKDATED: Final = timedelta(minutes=10)  # as certificates are: clocks run late


@dataclass(frozen=True)
class RevocationLists:
    """Full lists, numbered ``max(last + 1, Unix time)``, so that numbers also grow across a restored backup.

    ``lock`` is a file; who holds its lock issues. The kernel frees it when that process dies.
    """

    database: Database
    store: RevocationListStore
    certificates: CertificateStore
    audit: AuditLog
    authorities: Authorities
    now: Callable[[], datetime]
    validity: timedelta
    lock: Path

    def check_fresh(self, authority: CertificateAuthority) -> None:
        """Raise :class:`Unavailable` when the CA has no list, or one that has run out."""
        self._fresh(authority, self.store.dates(authority.name))

    def latest(self, authority: CertificateAuthority) -> StoredList:
        """Return the newest list; raise :class:`Unavailable` rather than hand out one that has run out."""
        return self._fresh(authority, self.store.latest(authority.name))

    def _fresh(self, authority: CertificateAuthority, stored: _List | None) -> _List:
        if stored is None:
            raise Unavailable(f"CA {authority.name} has no CRL yet.")
        if stored.next_update <= self.now():
            raise Unavailable(f"The CRL of CA {authority.name} has run out and could not be issued again.")
        return stored

    def age(self, authority: CertificateAuthority) -> timedelta:
        """Return how long ago the newest list was issued; the greatest time there is when there is none."""
        stored = self.store.dates(authority.name)
        return self.now() - (stored.this_update + _BACKDATED) if stored else timedelta.max

    def issue(
        self, authority: CertificateAuthority, actor: Actor, *, unless_younger_than: timedelta | None = None
    ) -> StoredList:
        """Issue a list now, whether or not one is due, but not if the newest is younger than that."""
        with exclusive(self.lock):
            if unless_younger_than is not None and self.age(authority) < unless_younger_than:
                return self.latest(authority)
            return self._issue(authority, actor)

    def issue_due(self, actor: Actor) -> int:
        """Issue what is due: a first list, one that shows new revocations, one past half its life. Return how many."""
        issued = 0
        for authority in self.authorities:
            if not self._due(authority):
                continue
            with exclusive_if_free(self.lock) as ours:
                if ours and self._due(authority):
                    self._issue(authority, actor)
                    issued += 1
        return issued

    def _due(self, authority: CertificateAuthority) -> bool:
        latest = self.store.dates(authority.name)
        if latest is None or latest.revision < self.store.revision(authority.name):
            return True
        return self.now() >= latest.this_update + (latest.next_update - latest.this_update) / 2

    def _issue(self, authority: CertificateAuthority, actor: Actor) -> StoredList:
        now = self.now().replace(microsecond=0)
        authority.check_validity(now)
        previous = self.store.dates(authority.name)
        # The revision is read first: a revocation that comes in between is shown already, and leads to one more list.
        revision = self.store.revision(authority.name)
        # One that has ended stays until it was on a list issued after its end (RFC 5280 section 3.3).
        shown_since = previous.this_update if previous else now
        entries = [
            RevokedEntry(int(serial, 16), revoked_at, reason)
            for serial, revoked_at, reason in self.certificates.revoked(authority.name, ended_before=shown_since)
        ]
        for padding in Padding:
            number = max(self.store.highest_number(authority.name) + 1, int(now.timestamp()))
            template = RevocationListTemplate(number, now - _BACKDATED, now + self.validity, entries, padding)
            der = self._sign(authority, template, revision, actor)
            if not ends_on_a_full_line(der):
                break
        else:
            # A list that two old clients cannot read is better than none, which every client reads as "refuse all".
            _log.warning("CRL %s of CA %s ends on a full line of base64", number, authority.name)
        with self.database.transaction():
            self.store.mark_issued(authority.name, number, der)
            self._audit("crl.issued", authority, actor, number=number, entries=len(entries))
        return self.latest(authority)

    def _sign(
        self, authority: CertificateAuthority, template: RevocationListTemplate, revision: int, actor: Actor
    ) -> bytes:
        """Record a list and sign it; return its DER."""

        def record(tbs: bytes) -> None:
            with self.database.transaction():
                tbs_sha256 = hashlib.sha256(tbs).hexdigest()
                updates = (template.this_update, template.next_update)
                self.store.add_pending(authority.name, template.number, revision, tbs_sha256, updates)
                self._audit("crl.pending", authority, actor, number=template.number, tbs_sha256=tbs_sha256)

        return sign_revocation_list(authority, template, record).public_bytes(Encoding.DER)

    def _audit(self, action: str, authority: CertificateAuthority, actor: Actor, **details: object) -> None:
        entry = {**actor.as_entry(), "action": action, "object": authority.name, "ca": authority.name, "result": "ok"}
        self.audit.append(self.now(), entry | details)
