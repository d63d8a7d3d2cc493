"""What becomes of a device's end entity when the IoT platform adds, changes or removes the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Final, ParamSpec

from app.errors import Refusal, Unavailable
from app.operations.registration import Registration
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason

if TYPE_CHECKING:
    from app.operations.actor import Actor
    from app.operations.end_entities import EndEntities
    from app.pki.end_entity import EndEntity
    from app.store.database import Database
    from app.store.device_events import DeviceEventStore, EventPosition


class Change(Enum):
    """What happened to the device."""

    CREATED = "create"
    UPDATED = "update"
    REMOVED = "remove"


class Outcome(Enum):
    """What came of an event."""

    ADDED = "added"
    ARMED = "armed"
    REVOKED = "revoked"
    UNCHANGED = "unchanged"
    LATE = "late"
    """A later event, or this one, was applied before."""
    REFUSED = "refused"


@dataclass(frozen=True)
class DeviceEvent:
    """One event; ``username`` is the name of the device's end entity."""

    change: Change
    username: str
    actor: Actor
    position: EventPosition


@dataclass(frozen=True)
class Result:
    """The outcome, and the sentence of a refusal."""

    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class Listing:
    """What came of a listing: who is REVOKED here, who was added, and who was refused with which sentence."""

    revoked: list[str]
    added: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def note(self, name: str, result: Result) -> None:
        """Take the result for a device that was not known."""
        if result.outcome is Outcome.ADDED:
            self.added.append(name)
        elif result.outcome is Outcome.REFUSED:
            self.refused[name] = result.reason


_MS: Final = 1000
P = ParamSpec("P")


@dataclass(frozen=True)
class Devices:
    """Applies events and listings. Repeating is no error: what was applied before changes nothing.

    An event brings no password: where there is no default one, or the end entity profile does not have it apply, nobody
    can enrol before one is set. ``rearm_on_update`` has every update arm the default password again, as EJBCA-REST did.
    """

    database: Database
    end_entities: EndEntities
    events: DeviceEventStore
    now: Callable[[], datetime]
    rearm_on_update: bool

    def check(self) -> None:
        """Raise the refusal that every device would meet, such as that of a CA that is not there."""
        self._described("device")

    def apply(self, events: Sequence[DeviceEvent]) -> list[Result]:
        """Apply the events in this order in one transaction; one that is refused does not stop the others.

        Raises :class:`Unavailable` when nothing of it happened and the same events must come again.
        """
        with self.database.transaction():
            return [self._apply(event) for event in events]

    def listed(self, usernames: Iterable[str], actor: Actor) -> Listing:
        """Add the devices that are not known, for a listing of those there are; leave all others as they are.

        A REVOKED one stays so too: a listing does not say whether the device was made anew or the operator revoked it.
        """
        known = {name: self.end_entities.store.find(name) for name in usernames}
        listing = Listing(
            [name for name, entity in known.items() if entity and entity.status is EndEntityStatus.REVOKED]
        )
        if not all(known.values()):
            with self.database.transaction():
                for name in (name for name, entity in known.items() if entity is None):
                    listing.note(name, self._unless_refused(self._add_missing, name, actor))
        return listing

    def _apply(self, event: DeviceEvent) -> Result:
        position, change = self._not_in_future(event.position), event.change.value
        last = self.events.last(event.username, change)
        if last is not None and not position.follows(last):
            return Result(Outcome.LATE)
        result = self._unless_refused(self._act, event, position)
        if result.outcome is not Outcome.REFUSED:
            self.events.save(event.username, change, position.no_earlier_than(last))
        return result

    def _act(self, event: DeviceEvent, position: EventPosition) -> Outcome:
        if event.change is Change.REMOVED:
            return self._removed(event, position)
        if self._came_before(position, event.username, Change.REMOVED):
            return Outcome.LATE
        entity = self.end_entities.store.find(event.username)
        if entity is None:
            return self._add(event.username, event.actor)
        if entity.status is EndEntityStatus.REVOKED:
            rearms = event.change is Change.CREATED or self._rearms_on_update(entity)
        else:
            rearms = event.change is Change.UPDATED and self._rearms_on_update(entity)
        return self._arm(entity, event.actor) if rearms else Outcome.UNCHANGED

    def _rearms_on_update(self, entity: EndEntity) -> bool:
        """Return whether an update arms: where no default password applies, it must not take away one that is set."""
        return self.rearm_on_update and self.end_entities.default_password_of(entity) is not None

    def _removed(self, event: DeviceEvent, position: EventPosition) -> Outcome:
        entity = self.end_entities.store.find(event.username)
        if entity is None or entity.status is EndEntityStatus.REVOKED:
            return Outcome.UNCHANGED
        self.end_entities.end(event.username, RevocationReason.UNSPECIFIED, event.actor)
        made_anew_since = self._came_before(position, event.username, Change.CREATED)  # and that was read first
        return self._arm(entity, event.actor) if made_anew_since else Outcome.REVOKED

    def _came_before(self, position: EventPosition, username: str, change: Change) -> bool:
        last = self.events.last(username, change.value)
        return last is not None and not position.follows(last)

    def _unless_refused(self, act: Callable[P, Outcome], *args: P.args, **kwargs: P.kwargs) -> Result:
        try:
            return Result(act(*args, **kwargs))
        except Unavailable:
            raise
        except Refusal as refusal:  # each act checks before it writes; who may not be armed again stays REVOKED
            return Result(Outcome.REFUSED, str(refusal))

    def _add_missing(self, username: str, actor: Actor) -> Outcome:
        return self._add(username, actor) if self.end_entities.store.find(username) is None else Outcome.UNCHANGED

    def _add(self, username: str, actor: Actor) -> Outcome:
        self.end_entities.save(self._described(username), actor)
        return Outcome.ADDED

    def _arm(self, entity: EndEntity, actor: Actor) -> Outcome:
        self.end_entities.arm(entity, self.end_entities.default_password_of(entity), actor)
        return Outcome.ARMED

    def _described(self, username: str) -> EndEntity:
        return self.end_entities.described(Registration(username, None, password_later=True))

    def _not_in_future(self, position: EventPosition) -> EventPosition:
        """Return the position with a time that no later event can be behind."""
        now = int(self.now().timestamp() * _MS)
        return position if position.sent_at is None else replace(position, sent_at=min(position.sent_at, now))
