"""Who may enrol: name and one-time password, with a lock that grows with wrong passwords in a row."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import EnrolmentWindowOver, TooManyFailures, WrongPassword, WrongStatus, WrongTokenType
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType, checked_username

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.enrolment_password import EnrolmentPasswords
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

    def authenticate(self, username: str, password: str) -> EndEntity:
        """Return the end entity whose password this is, in whatever state it is.

        Raises :class:`TooManyFailures` while the name is locked, and :class:`EnrolmentRefused` in EJBCA's words: it
        names a wrong state before a wrong password.
        """
        entity = self.end_entities.find(checked_username(username))
        now = self.now()
        failures, blocked_until = self.end_entities.failures(_counter(username, known=entity is not None))
        # Another's free failure may be recorded between our look at the clock and at the count: it blocks nobody. Nor
        # does a lock that ends later than any may: it is from before the clock was set back.
        if failures > FREE_FAILURES and blocked_until is not None and now < blocked_until <= now + MAX_BLOCK:
            seconds = math.ceil((blocked_until - now).total_seconds())
            raise TooManyFailures(f"Too many wrong passwords for {username}; try again in {seconds} s.", seconds)
        correct = self.passwords.matches(username, password, entity.password_verifier if entity else None)
        if entity is None:
            raise WrongPassword("Wrong username or password", wrong_password=True)
        if correct:
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

    def count_failure(self, username: str, now: datetime) -> None:
        """Count one more wrong password inside the open transaction; from the sixth in a row the name is locked."""
        counter = _counter(username, known=self.end_entities.find(username) is not None)
        failures = self.end_entities.failures(counter)[0] + 1
        self.end_entities.set_failures(counter, failures, now + _block(failures))

    def reset(self, username: str) -> None:
        """Forget wrong passwords inside the open transaction, after a right one or an admin's act."""
        self.end_entities.clear_failures(_counter(username, known=True))


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


def _block(failures: int) -> timedelta:
    if failures <= FREE_FAILURES:
        return timedelta(0)
    return min(timedelta(seconds=2 ** min(failures - FREE_FAILURES - 1, 20)), MAX_BLOCK)


def _counter(username: str, *, known: bool) -> str:
    # No name holds a '/', so a bucket is never a name.
    return username if known else f"unknown/{zlib.crc32(username.encode()) % _UNKNOWN_BUCKETS}"
