"""How many wrong passwords one address may send, and all together: buckets that fill again with time.

The lock of a name (:mod:`app.operations.enrolment`) does not stop one guess at each of a thousand names. A bucket is
one time in the database, so it holds for all processes and servers that share it, and over their restarts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from app.store.end_entities import EndEntityStore, Failures

EVERYWHERE: Final = "everywhere/"  # as no name holds a '/', neither this nor an address is one
_ADDRESS: Final = "address/"
MAX_SPAN: Final = timedelta(hours=1)
_SITE_BITS: Final = 64  # of an IPv6 address: who has one has all of the network (RFC 6177)


@dataclass(frozen=True)
class Bucket:
    """So many wrong passwords at once, and as many an hour: the generic cell rate algorithm of ITU-T I.371."""

    an_hour: int

    @property
    def gap(self) -> timedelta:
        """The time in which room for one more comes back."""
        return MAX_SPAN / self.an_hour

    @property
    def span(self) -> timedelta:
        """How long before the end of a block the bucket was last full."""
        return self.gap * (self.an_hour - 1)

    def blocked_until(self, before: Failures | None, now: datetime) -> datetime:
        """Return until when the subject is blocked after one more; in the past while there is room."""
        counts = before is not None and not before.is_stale(now, MAX_SPAN)
        full_at = max(now, before.blocked_until + self.span) if before is not None and counts else now
        # Many that were admitted at the same moment are counted one after another: no block may seem to be stale.
        return min(full_at + self.gap - self.span, now + MAX_SPAN)


@dataclass(frozen=True)
class GuessLimits:
    """Wrong passwords an hour from one address and from everywhere; 0 is no limit."""

    per_address: int
    overall: int

    def buckets(self, address: str) -> dict[str, Bucket]:
        """Return what a wrong password from ``address`` is counted in, by its name in the database."""
        buckets = {}
        if self.per_address and (source := source_of(address)):
            buckets[_ADDRESS + source] = Bucket(self.per_address)
        if self.overall:
            buckets[EVERYWHERE] = Bucket(self.overall)
        return buckets

    def count(self, store: EndEntityStore, address: str, now: datetime) -> None:
        """Count one more wrong password inside the open transaction, and forget addresses whose bucket is full."""
        buckets = self.buckets(address)
        before = store.failures(*buckets) if buckets else {}
        for subject, bucket in buckets.items():
            found = before.get(subject)
            store.set_failures(subject, (found.number if found else 0) + 1, bucket.blocked_until(found, now))
        if self.per_address:
            store.clear_old_failures(_ADDRESS, now - Bucket(self.per_address).span)


def source_of(address: str) -> str | None:
    """Return where a caller is, an IPv6 network as a whole; None for who is on no network (the command line)."""
    try:
        found = ip_address(address)
    except ValueError:
        return None
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return f"{IPv6Address(int(found) >> _SITE_BITS << _SITE_BITS)}/{_SITE_BITS}"
