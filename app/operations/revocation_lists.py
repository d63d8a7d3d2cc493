"""Keeps fresh revocation lists for every CA: one process at a time, also when nobody asks."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from app.errors import NoSuchList, Refusal, SigningUnavailable, Unavailable
from app.operations.list_contents import BACKDATED, ListContents
from app.operations.list_signing import ListSigning, Shows
from app.pki.certificate_authority import CertificateAuthority
from app.pki.distribution_points import ALL, POINT, ListKind, ListScope
from app.store.revocation_lists import ListDates, ListName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.turn import Turn
    from app.store.revocation_lists import RevocationListStore, StoredList
    from app.store.revoked_certificates import RevokedCertificates

_log = logging.getLogger("midca")
_List = TypeVar("_List", bound="ListDates")


@dataclass(frozen=True)
class RevocationLists:
    """The lists of each CA, numbered ``max(last + 1, Unix time)``: numbers also grow across a restored backup.

    There is always one that covers all of a CA. With distribution points there is one for each of them beside it, and
    where deltas are issued, one for each list. Whose ``turn`` it is issues; it ends when that process dies. The lists
    of a CA whose key is offline are made elsewhere and only imported here.
    """

    store: RevocationListStore
    revoked: RevokedCertificates
    contents: ListContents
    signing: ListSigning
    authorities: Authorities
    now: Callable[[], datetime]
    turn: Turn

    def scopes(self, authority: CertificateAuthority) -> Iterator[ListScope]:
        """Yield the scopes the CA has lists for: also for partitions that only older certificates name."""
        yield ALL
        if authority.offline:
            if self.store.dates(ListName(authority.name, POINT)) is not None:
                yield POINT
        elif authority.points is not None:
            yield POINT
            highest = self.revoked.highest_partition(authority.name)
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
        name = self._named(authority, scope, kind)
        return self._fresh(name, self.store.latest(name))

    def dates(
        self, authority: CertificateAuthority, scope: ListScope = ALL, kind: ListKind = ListKind.COMPLETE
    ) -> ListDates:
        """Return what the newest list is, without its bytes; raises as :meth:`latest` does."""
        name = self._named(authority, scope, kind)
        return self._fresh(name, self.store.dates(name))

    def age(self, authority: CertificateAuthority) -> timedelta:
        """Return how long ago the newest list was issued; very long when there is none, or the clock went back."""
        stored = self.store.dates(ListName(authority.name, ALL))
        age = self.now() - (stored.this_update + BACKDATED) if stored else timedelta.max
        return age if age >= -BACKDATED else timedelta.max

    def issue(self, authority: CertificateAuthority, actor: Actor) -> StoredList:
        """Issue all lists of the CA now, whether or not any is due."""
        if authority.offline:
            raise SigningUnavailable(
                f"The key of CA {authority.name} is offline: make its list with midca ceremony crl, and import it."
            )
        with self.turn.held():
            self._issue(authority, list(self._names(authority)), actor)
            return self.latest(authority)

    def issue_if_older(self, authority: CertificateAuthority, actor: Actor, age: timedelta) -> StoredList:
        """Issue the list that covers all of the CA if it is older than that and nobody is issuing; return the newest.

        Anybody may ask for this, so it neither waits nor makes more than the one list that old clients read.
        """
        if self.age(authority) >= age and not authority.offline:
            with self.turn.held_if_free() as ours:
                if ours and self.age(authority) >= age:
                    self._issue(authority, [ListName(authority.name, ALL)], actor)
        return self.latest(authority)

    def issue_due(self, actor: Actor) -> int:
        """Issue what is due; return for how many CAs something was.

        A CA that has ended needs no lists any more, and one that cannot sign keeps no other from its turn.
        """
        issued = 0
        for authority in self.authorities:
            try:
                issued += self._issue_what_is_due(authority, actor)
            except Refusal as refusal:
                _log.error("no CRL of CA %s could be issued: %s", authority.name, refusal)
        return issued

    def _issue_what_is_due(self, authority: CertificateAuthority, actor: Actor) -> bool:
        if authority.offline or authority.has_ended(self.now()) or not self._due(authority):
            return False
        with self.turn.held_if_free() as ours:
            names = self._due(authority) if ours else []
            if names:
                self._issue(authority, names, actor)
            return bool(names)

    def _kinds(self, authority: CertificateAuthority) -> tuple[ListKind, ...]:
        deltas = self.contents.delta_validity and not authority.offline
        return (ListKind.COMPLETE, ListKind.DELTA) if deltas else (ListKind.COMPLETE,)

    def _named(self, authority: CertificateAuthority, scope: ListScope, kind: ListKind) -> ListName:
        if kind not in self._kinds(authority) or scope not in self.scopes(authority):
            raise NoSuchList(f"CA {authority.name} has no {'delta ' * (kind is ListKind.DELTA)}CRL of scope {scope}.")
        return ListName(authority.name, scope, kind)

    def _names(self, authority: CertificateAuthority) -> Iterator[ListName]:
        for scope in self.scopes(authority):
            for kind in self._kinds(authority):
                yield ListName(authority.name, scope, kind)

    def _fresh(self, name: ListName, stored: _List | None) -> _List:
        which = f"{'delta ' * (name.kind is ListKind.DELTA)}CRL"
        if stored is None:
            raise Unavailable(f"CA {name.ca_name} has no {which} yet.")
        if stored.next_update <= self.now():
            raise Unavailable(f"The {which} of CA {name.ca_name} has run out and could not be issued again.")
        if stored.this_update > self.now():
            raise Unavailable(f"The {which} of CA {name.ca_name} was issued with the clock ahead; wait for the next.")
        return stored

    def _due(self, authority: CertificateAuthority) -> list[ListName]:
        """Return the lists that are due: first ones, such as show new revocations or say something else now, old ones.

        A delta goes with every complete list of its scope: both then show the same revocations under the same number.
        """
        newest, revision = self._kept(authority), self.store.revision(authority.name)
        names = list(self._names(authority))
        changed = self._changed_since(authority, list(newest.values()), revision)
        due = {
            name
            for name in names
            if self._is_due(newest.get(name), self.contents.about(authority, name))
            or (newest[name].revision < revision and any(name.scope.covers(partition) for partition in changed))
        }
        complete = {name.scope for name in due if name.kind is ListKind.COMPLETE}
        return [name for name in names if name in due or name.scope in complete]

    def _changed_since(self, authority: CertificateAuthority, lists: list[ListDates], revision: int) -> set[int | None]:
        """Return the partitions in which something changed since the list that shows least."""
        shown = min((stored.revision for stored in lists), default=revision)
        if shown >= revision:
            return set()
        # What the clock says has ended, and so is on no list, still counts: None is of every list that covers all.
        return self.revoked.changed_partitions(authority.name, since_revision=shown) | {None}

    def _is_due(self, stored: ListDates | None, about: str) -> bool:
        if stored is None or stored.about != about or stored.this_update > self.now():
            return True
        return self.now() >= stored.this_update + (stored.next_update - stored.this_update) / 2

    def _issue(self, authority: CertificateAuthority, names: list[ListName], actor: Actor) -> None:
        authority.check_validity(self.now())
        # The revision is read first: a revocation that comes in between is shown already, and leads to one more list.
        revision = self.store.revision(authority.name)
        newest = self._kept(authority)
        unchanged = self._unchanged(authority, newest, names, revision)
        # A certificate that has ended is shown until it was on a list issued after its end (RFC 5280 section 3.3); on
        # every list, so the oldest of them counts.
        shown_since = min((stored.this_update for stored in newest.values()), default=None)
        for name, template in self.contents.templates(authority, names, revision, shown_since):
            self.signing.sign(authority, name, template, Shows(revision, self.contents.about(authority, name)), actor)
        self.signing.mark_unchanged(unchanged, revision)

    def _kept(self, authority: CertificateAuthority) -> dict[ListName, ListDates]:
        """Return the newest of each list that is issued still; one that is not any more stays as old as it is."""
        newest = self.store.newest(authority.name)
        return {name: newest[name] for name in self._names(authority) if name in newest}

    def _unchanged(
        self,
        authority: CertificateAuthority,
        newest: dict[ListName, ListDates],
        issued: list[ListName],
        revision: int,
    ) -> list[ListName]:
        """Return the lists that are not issued now and show everything up to ``revision`` all the same."""
        behind = [name for name in newest.keys() - set(issued) if newest[name].revision < revision]
        changed = self._changed_since(authority, [newest[name] for name in behind], revision)
        return [name for name in behind if not any(name.scope.covers(partition) for partition in changed)]
