"""Who may enrol: name and one-time password, with a lock that grows with wrong passwords in a row."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import (
    AddressBlocked,
    EnrolmentWindowOver,
    GuessingBlocked,
    TooManyFailures,
    WrongPassword,
    WrongStatus,
    WrongTokenType,
)
from app.operations.guess_limits import EVERYWHERE, MAX_SPAN
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType, checked_username

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.enrolment_password import EnrolmentPasswords
    from app.operations.guess_limits import GuessLimits
    from app.operations.profiles import Profiles
    from app.store.end_entities import EndEntityStore

FREE_FAILURES: Final = 5
MAX_BLOCK: Final = timedelta(seconds=900)
# Names that do not exist are counted too, or the time an answer takes would tell them apart. They share buckets, so
# that inventing names does not fill the disk.
_UNKNOWN_BUCKETS: Final = 1024


@dataclass(frozen=True)
class Enrolment:
    """Checks name, password, state and how old the password is; counts what was wrong."""

    end_entities: EndEntityStore
    passwords: EnrolmentPasswords
    profiles: Profiles
    now: Callable[[], datetime]
    limits: GuessLimits

    def admit(self, username: str, address: str) -> EndEntity | None:
        """Return the end entity of that name, if there is one, when a password for it is looked at now.

        Raises :class:`TooManyFailures` while the name or the caller's ``address`` is blocked, or all guessing is. That
        costs two look-ups and no write.
        """
        entity = self.end_entities.find(checked_username(username))
        counter, buckets = _counter(username, known=entity is not None), self.limits.buckets(address)
        recorded = self.end_entities.failures(counter, *buckets)
        now = self.now()
        own = recorded.pop(counter, None)
        if own is not None and own.number > FREE_FAILURES and own.block_at(now, MAX_BLOCK):
            seconds = _seconds(own.blocked_until - now)
            raise TooManyFailures(f"Too many wrong passwords for {username}; try again in {seconds} s.", seconds)
        for subject, failures in recorded.items():
            if failures.block_at(now, MAX_SPAN) and (subject != EVERYWHERE or self._is_guessable(entity)):
                raise _blocked(subject, _seconds(failures.blocked_until - now))
        return entity

    def authenticate(self, username: str, entity: EndEntity | None, password: str, address: str) -> EndEntity:
        """Return the end entity that was admitted, in whatever state it is, when this is its password.

        Raises :class:`EnrolmentRefused` in EJBCA's words: it names a wrong state before a wrong password. Raises as
        :meth:`admit` does when too many that were admitted at the same moment have been wrong meanwhile.
        """
        correct = self.passwords.matches(username, password, entity.password_verifier if entity else None)
        if entity is None:
            raise WrongPassword("Wrong username or password", wrong_password=True)
        if correct:
            if self._is_guessable(entity):
                self.admit(username, address)
            return entity
        if not entity.may_enrol:
            raise wrong_status(entity, wrong_password=True)
        raise WrongPassword(f"Got request for user with invalid password: {username}.", wrong_password=True)

    def check_window(self, entity: EndEntity) -> None:
        """Raise :class:`EnrolmentWindowOver` when its end entity profile no longer lets this password enrol.

        Raises :class:`UnknownProfile` when the profile is gone: what it allowed is then not known.
        """
        end = self.profiles.end_entity_profile(entity.end_entity_profile).enrolment_window.end(entity.armed_at)
        if end is not None and self.now() >= end:
            raise EnrolmentWindowOver(
                f"The password of {entity.username} was good until {end.isoformat(timespec='seconds')}; "
                "ask for a new one to be set."
            )

    def count_failure(self, username: str, address: str, now: datetime) -> None:
        """Count one more wrong password inside the open transaction; from the sixth in a row the name is locked."""
        counter = _counter(username, known=self.end_entities.find(username) is not None)
        before = self.end_entities.failures(counter).get(counter)
        failures = (before.number if before else 0) + 1
        self.end_entities.set_failures(counter, failures, now + _block(failures))
        self.limits.count(self.end_entities, address, now)

    def reset(self, username: str) -> None:
        """Forget wrong passwords inside the open transaction, after a right one or an admin's act."""
        self.end_entities.clear_failures(_counter(username, known=True))

    def _is_guessable(self, entity: EndEntity | None) -> bool:
        """Return whether guessing could find the password; who floods us with guesses must not stop all devices."""
        return entity is None or self.passwords.is_guessable(entity.password_verifier)


def check_may_enrol(entity: EndEntity, *, again: bool) -> None:
    """Raise the refusal EJBCA gives for a state or token type that may not enrol; ``again`` lets GENERATED enrol."""
    renews = again and entity.status is EndEntityStatus.GENERATED and entity.claimed_by is None
    if not entity.may_enrol and not renews:
        raise wrong_status(entity)
    if entity.token_type is not TokenType.USERGENERATED:
        raise WrongTokenType(
            "Error: Wrong Token Type of user, must be 'USERGENERATED' for PKCS10/SPKAC/CRMF/CVC requests"
        )


def wrong_status(entity: EndEntity, *, wrong_password: bool = False) -> WrongStatus:
    """Return EJBCA's refusal for an end entity whose state does not allow an enrolment."""
    status = entity.enrolment_status
    return WrongStatus(
        f"Got request with status {status.name} ({int(status)}), NEW, FAILED or INPROCESS required: {entity.username}.",
        wrong_password=wrong_password,
    )


def _blocked(subject: str, seconds: int) -> TooManyFailures:
    if subject == EVERYWHERE:
        return GuessingBlocked(f"Too many wrong passwords from everywhere; try again in {seconds} s.", seconds)
    return AddressBlocked(f"Too many wrong passwords from your address; try again in {seconds} s.", seconds)


def _seconds(time: timedelta) -> int:
    return math.ceil(time.total_seconds())


def _block(failures: int) -> timedelta:
    if failures <= FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES - 1, 20)), MAX_BLOCK)


def _counter(username: str, *, known: bool) -> str:
    # No name holds a '/', so a bucket is never a name.
    return username if known else f"unknown/{zlib.crc32(username.encode()) % _UNKNOWN_BUCKETS}"
