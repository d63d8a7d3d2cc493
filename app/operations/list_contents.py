"""What stands on the revocation lists of a CA: all that is revoked, or what changed since an earlier list."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.pki.distribution_points import ALL, ListKind
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import RevocationListTemplate, list_entry
from app.store.revocation_lists import ListName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from cryptography import x509

    from app.pki.certificate_authority import CertificateAuthority
    from app.store.certificates import CertificateStore, RevokedCertificate
    from app.store.revocation_lists import RevocationListStore

BACKDATED: Final = timedelta(minutes=10)
"""How long before it is signed a list is good, as certificates are: clocks run late."""


@dataclass(frozen=True)
class ListContents:
    """Reads what was revoked. ``delta_validity`` None: no deltas are issued."""

    store: RevocationListStore
    certificates: CertificateStore
    now: Callable[[], datetime]
    validity: timedelta
    delta_validity: timedelta | None

    def templates(
        self, authority: CertificateAuthority, names: Iterable[ListName], revision: int
    ) -> Iterator[tuple[ListName, RevocationListTemplate]]:
        """Yield each list with all it says, every one under the same number."""
        now = self.now().replace(microsecond=0)
        number = max(self.store.highest_number(authority.name) + 1, int(now.timestamp()))
        shown_since = self._shown_since(authority, now)
        complete: list[tuple[x509.RevokedCertificate, int | None]] | None = None
        for name in names:
            extensions = tuple(authority.points.of_list(name.scope, name.kind)) if authority.points else ()
            base_number, validity = None, self.validity
            if name.kind is ListKind.COMPLETE:
                if complete is None:  # the same for all scopes, and there may be a million
                    complete = _entries(self.certificates.revoked(authority.name, ended_before=shown_since), now)
                entries = complete
            else:
                base_number, since = self._base(name, number, revision, now)
                changed = self.certificates.changed(authority.name, since_revision=since, ended_before=shown_since)
                entries, validity = _entries(changed, now), self.delta_validity or self.validity
            yield (
                name,
                RevocationListTemplate(
                    number=number,
                    this_update=now - BACKDATED,
                    next_update=now + validity,
                    entries=[entry for entry, partition in entries if name.scope.covers(partition)],
                    base_number=base_number,
                    extensions=extensions,
                ),
            )

    def _shown_since(self, authority: CertificateAuthority, now: datetime) -> datetime:
        """Return from which end on a certificate is still shown.

        One that has ended stays until it was on a list issued after its end (RFC 5280 section 3.3).
        """
        previous = self.store.dates(ListName(authority.name, ALL))
        return previous.this_update if previous else now

    def _base(self, name: ListName, number: int, revision: int, now: datetime) -> tuple[int, int]:
        """Return number and revision of the complete list a delta builds on.

        It is the oldest that somebody may still go by, so that the delta serves the holders of every later one too.
        """
        base = self.store.oldest_good(ListName(name.ca_name, name.scope), now)
        return (base.number, base.revision) if base else (number, revision)


def _entries(revoked: list[RevokedCertificate], now: datetime) -> list[tuple[x509.RevokedCertificate, int | None]]:
    """Return the lists' entries with their partitions; one that was released is to be removed (section 5.3.1)."""
    return [
        (
            list_entry(
                certificate.serial,
                certificate.revoked_at or now,
                RevocationReason.REMOVEFROMCRL if certificate.revoked_at is None else certificate.reason,
            ),
            certificate.partition,
        )
        for certificate in revoked
    ]
