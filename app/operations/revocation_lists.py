"""Keeps fresh revocation lists for every CA: one process at a time, also when nobody asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from app.errors import NoSuchList, Unavailable
from app.files.protected import exclusive, exclusive_if_free
from app.operations.list_contents import BACKDATED, ListContents
from app.pki.certificate_authority import CertificateAuthority
from app.pki.distribution_points import ALL, POINT, ListKind, ListScope
from app.store.revocation_lists import ListDates, ListName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.list_signing import ListSigning
    from app.store.certificates import CertificateStore
    from app.store.revocation_lists import RevocationListStore, StoredList

_List = TypeVar("_List", bound="ListDates")


@dataclass(frozen=True)
class RevocationLists:
    """The lists of each CA, numbered ``max(last + 1, Unix time)``: numbers also grow across a restored backup.

    There is always one that covers all of a CA. With distribution points there is one for each of them beside it, and
    where deltas are issued, one for each list. ``lock`` is a file; who holds its lock issues. The kernel frees it when
    that process dies.
    """

    store: RevocationListStore
    certificates: CertificateStore
    contents: ListContents
    signing: ListSigning
    authorities: Authorities
    now: Callable[[], datetime]
    lock: Path

    def scopes(self, authority: CertificateAuthority) -> Iterator[ListScope]:
        """Yield the scopes the CA has lists for: also for partitions that only older certificates name."""
        yield ALL
        if authority.points is not None:
            yield POINT
            highest = self.certificates.highest_partition(authority.name)
            for partition in range(max(authority.points.partitions, 0 if highest is None else highest + 1)):
                yield ListScope(at_point=True, partition=partition)

    def check_fresh(self, authority: CertificateAuthority) -> None:
        """Raise :class:`Unavailable` when a list of the CA is missing or has run out."""
        newest = self.store.newest(authority.name)
        for name in self._names(authority):
            self._fresh(name, newest.get(name))

    def latest(
        self, authority: CertificateAuthority, scope: ListScope = ALL, kind: ListKind = ListKind.COMPLETE
    ) -> StoredList:
        """Return the newest list; raise :class:`Unavailable` rather than hand out one that has run out.

        Raises :class:`NoSuchList` where lists of that scope or kind are not issued.
        """
        name = ListName(authority.name, scope, kind)
        if kind not in self._kinds or scope not in set(self.scopes(authority)):
            raise NoSuchList(f"CA {authority.name} has no {'delta ' * (kind is ListKind.DELTA)}CRL of that kind.")
        return self._fresh(name, self.store.latest(name))

    def age(self, authority: CertificateAuthority) -> timedelta:
        """Return how long ago the newest list was issued; the greatest time there is when there is none."""
        stored = self.store.dates(ListName(authority.name, ALL))
        return self.now() - (stored.this_update + BACKDATED) if stored else timedelta.max

    def issue(
        self, authority: CertificateAuthority, actor: Actor, *, unless_younger_than: timedelta | None = None
    ) -> StoredList:
        """Issue lists now, whether or not any is due, but not if the newest is younger than that."""
        with exclusive(self.lock):
            if unless_younger_than is None or self.age(authority) >= unless_younger_than:
                self._issue(authority, self._kinds, actor)
            return self.latest(authority)

    def issue_due(self, actor: Actor) -> int:
        """Issue what is due; return for how many CAs something was."""
        issued = 0
        for authority in self.authorities:
            if not self._due(authority):
                continue
            with exclusive_if_free(self.lock) as ours:
                if ours and (kinds := self._due(authority)):
                    self._issue(authority, kinds, actor)
                    issued += 1
        return issued

    @property
    def _kinds(self) -> tuple[ListKind, ...]:
        return (ListKind.COMPLETE, ListKind.DELTA) if self.contents.delta_validity else (ListKind.COMPLETE,)

    def _names(self, authority: CertificateAuthority) -> Iterator[ListName]:
        for scope in self.scopes(authority):
            for kind in self._kinds:
                yield ListName(authority.name, scope, kind)

    def _fresh(self, name: ListName, stored: _List | None) -> _List:
        which = f"{'delta ' * (name.kind is ListKind.DELTA)}CRL"
        if stored is None:
            raise Unavailable(f"CA {name.ca_name} has no {which} yet.")
        if stored.next_update <= self.now():
            raise Unavailable(f"The {which} of CA {name.ca_name} has run out and could not be issued again.")
        return stored

    def _due(self, authority: CertificateAuthority) -> tuple[ListKind, ...]:
        """Return which kinds are due: a first list, one that shows new revocations, one past half its life."""
        newest = self.store.newest(authority.name)
        revision = self.store.revision(authority.name)
        due = {name.kind for name in self._names(authority) if self._is_due(newest.get(name), revision)}
        # A delta goes with every complete list: both then show the same revocations under the same number.
        return self._kinds if ListKind.COMPLETE in due else tuple(due)

    def _is_due(self, stored: ListDates | None, revision: int) -> bool:
        if stored is None or stored.revision < revision:
            return True
        return self.now() >= stored.this_update + (stored.next_update - stored.this_update) / 2

    def _issue(self, authority: CertificateAuthority, kinds: tuple[ListKind, ...], actor: Actor) -> None:
        authority.check_validity(self.now())
        names = [name for name in self._names(authority) if name.kind in kinds]
        # The revision is read first: a revocation that comes in between is shown already, and leads to one more list.
        revision = self.store.revision(authority.name)
        for name, template in self.contents.templates(authority, names, revision):
            self.signing.sign(authority, name, template, revision, actor)
