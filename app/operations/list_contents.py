"""What stands on the revocation lists of a CA: all that is revoked, or what changed since an earlier list."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from app.pki.distribution_points import ListKind, ListScope
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import RevocationListTemplate, list_entry
from app.store.revocation_lists import ListName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryptography import x509

    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.distribution_points import DistributionPoints
    from app.store.revocation_lists import RevocationListStore
    from app.store.revoked_certificates import RevokedCertificate, RevokedCertificates

BACKDATED: Final = timedelta(minutes=10)
"""How long before it is signed a list is good, as certificates are: clocks run late."""


class Entries:
    """The entries of a list by partition and serial; a certificate never changes its partition."""

    def __init__(self) -> None:
        """Begin with none."""
        self._by_partition: dict[int | None, dict[int, bytes]] = defaultdict(dict)

    def add(self, certificate: RevokedCertificate, entry: bytes) -> None:
        """Take an entry in the place of an earlier one of the same certificate."""
        self._by_partition[certificate.partition][certificate.serial] = entry

    def drop(self, certificate: RevokedCertificate) -> None:
        """Forget a certificate that was released while the list was made."""
        self._by_partition[certificate.partition].pop(certificate.serial, None)

    def covered_by(self, scope: ListScope) -> list[bytes]:
        """Return the entries that belong on a list of that scope."""
        covered = [entries for partition, entries in self._by_partition.items() if scope.covers(partition)]
        return [entry for entries in covered for entry in entries.values()]


@dataclass(frozen=True)
class ListContents:
    """Reads what was revoked. ``delta_validity`` None: no deltas are issued."""

    store: RevocationListStore
    revoked: RevokedCertificates
    now: Callable[[], datetime]
    validity: timedelta
    delta_validity: timedelta | None

    def templates(
        self, authority: CertificateAuthority, names: Iterable[ListName], revision: int, shown_since: datetime | None
    ) -> Iterator[tuple[ListName, RevocationListTemplate]]:
        """Yield each list with all it says, every one under the same number.

        ``shown_since``: from which end on a certificate is still shown; None for now.
        """
        now = self.now().replace(microsecond=0)
        number = max(self.store.highest_number(authority.name) + 1, int(now.timestamp()))
        shown_since = min(shown_since or now, now)  # a list of when the clock was ahead tells nothing of what ends now
        complete: Entries | None = None
        for name in names:
            base_number = None
            if name.kind is ListKind.COMPLETE:
                # The same for all scopes, and there may be a million.
                complete = complete or self._entries(authority.name, None, shown_since, now)
                entries = complete
            else:
                base_number, since = self._base(name, number, revision, now)
                entries = self._entries(authority.name, since, shown_since, now)
            yield (
                name,
                RevocationListTemplate(
                    number=number,
                    this_update=now - BACKDATED,
                    next_update=now + self._validity_of(name.kind),
                    entries=entries.covered_by(name.scope),
                    base_number=base_number,
                    extensions=_extensions(authority.points, name),
                ),
            )

    def about(self, authority: CertificateAuthority, name: ListName) -> str:
        """Return a hash of what a list says beside entries, number and dates: with another setting, another one."""
        return _hash(self._validity_of(name.kind), _extensions(authority.points, name))

    def _validity_of(self, kind: ListKind) -> timedelta:
        return self.validity if kind is ListKind.COMPLETE else self.delta_validity or self.validity

    def _entries(self, ca_name: str, since_revision: int | None, shown_since: datetime, now: datetime) -> Entries:
        """Return all that is revoked, or with a revision all that changed since it."""
        entries = Entries()
        changed = self.revoked.changed(ca_name, since_revision=since_revision or 0, ended_before=shown_since)
        for certificate in changed:
            if certificate.revoked_at is not None:
                entries.add(certificate, list_entry(certificate.serial, certificate.revoked_at, certificate.reason))
            elif since_revision is not None:  # it was released: whoever goes by an older list takes it off
                entries.add(certificate, list_entry(certificate.serial, now, RevocationReason.REMOVEFROMCRL))
            else:
                entries.drop(certificate)
        return entries

    def _base(self, name: ListName, number: int, revision: int, now: datetime) -> tuple[int, int]:
        """Return number and revision of the complete list a delta builds on.

        It is the oldest that somebody may still go by, so that the delta serves the holders of every later one too.
        """
        base = self.store.oldest_good(ListName(name.ca_name, name.scope), now)
        return (base.number, base.revision) if base else (number, revision)


# Looked at every second for every list, and always the same while the process lives.
@cache
def _extensions(points: DistributionPoints | None, name: ListName) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    return tuple(points.of_list(name.scope, name.kind)) if points else ()


@cache
def _hash(validity: timedelta, extensions: tuple[x509.Extension[x509.ExtensionType], ...]) -> str:
    said = [str(validity), *(each.value.public_bytes().hex() for each in extensions)]
    return hashlib.sha256(repr(said).encode()).hexdigest()
