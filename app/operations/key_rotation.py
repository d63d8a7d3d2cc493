"""Changes the passphrase of the private keys and the pepper of the enrolment passwords, while the server goes on.

Both secrets are lines: the first is for what is written now, the others still open what was written before. So at no
moment, and after no kill, is there anything that cannot be opened.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError, InvalidInput, NotAllowed
from app.files.private_keys import PrivateKeys
from app.files.secrets import Secret, new_secret
from app.operations.peppers import Pepper, peppers_of
from app.pki.end_entity import ENROLLABLE, EndEntityStatus
from app.store.audit_log import Action

if TYPE_CHECKING:
    from app.operations.actor import Actor
    from app.operations.turn import Turn
    from app.store.audit_log import AuditLog
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

_BY_HAND: Final = """\
{secret} is not for midca to write. Change it by hand:
  1. Make a new one: openssl rand -hex 32
  2. Put it in the first line, and leave the old one in the second.
  3. Restart the server.
  4. {then}
  5. Take the old one out, and restart the server."""
_WAIT: Final = "Wait until no password waits for the old one: midca keys list."


@dataclass(frozen=True)
class PepperUse:
    """How many passwords on record were hashed with a pepper: such as can still be used, and such as are ``spent``.

    ``pepper`` is None where it was dropped although they were there: these passwords are good no more.
    """

    kid: str
    pepper: Pepper | None
    waiting: int
    spent: int


@dataclass(frozen=True)
class KeyRotation:
    """``key_files`` are all that hold a private key; ``turns`` keep everyone else from writing one meanwhile.

    ``can_return`` tells whether a password that gave a certificate of a profile can give another one.
    """

    passphrase: Secret
    pepper: Secret
    private_keys: PrivateKeys
    key_files: Callable[[], Sequence[Path]]
    turns: tuple[Turn, ...]
    end_entities: EndEntityStore
    database: Database
    audit: AuditLog
    now: Callable[[], datetime]
    can_return: Callable[[str], bool]

    def rotate_passphrase(self, actor: Actor) -> int:
        """Seal every key with a new passphrase; return how many were. One that was interrupted is brought to its end.

        Raises :class:`NotAllowed` with what is to be done by hand where the passphrase is not in a file.
        """
        source = self.passphrase.source
        with self._alone():
            files = self.key_files()
            lines = self.passphrase()
            if len(lines) == 1:
                self._check_ours(
                    self.passphrase, "midca keys rotate-passphrase, which seals all keys with the new one."
                )
                lines = (new_secret(), *lines)
            with self._recorded(Action.PASSPHRASE_ROTATED, source.name, actor):
                if source.is_ours:
                    source.replace(lines)
            if self.passphrase() != tuple(lines):  # one that was read before would call every key sealed anew
                raise ConfigurationError(f"{source} cannot be read as it was written; it opens all keys: run it again.")
            resealed = sum(self.private_keys.reseal(path) for path in files)
            if not all(self.private_keys.is_sealed_anew(path) for path in files):
                raise ConfigurationError(f"A key was not written as it should be; {source} still opens the old ones.")
            if source.is_ours:
                source.replace(lines[:1])
        return resealed

    def rotate_pepper(self, actor: Actor, until: datetime | None = None) -> Pepper:
        """Hash new passwords with a new pepper, and return it; the old one counts until ``until``, or until dropped."""
        if until is not None and until <= self.now():
            raise InvalidInput("The end of the old pepper must be in the future.")
        with self._alone():
            self._check_ours(self.pepper, _WAIT)
            newest, *others = peppers_of(self.pepper())
            pepper = Pepper(new_secret())
            with self._recorded(Action.PEPPER_ROTATED, pepper.kid, actor):
                self._write_peppers([pepper, replace(newest, until=until), *others])
        return pepper

    def drop_peppers(self, actor: Actor, *, needed: bool = False) -> list[PepperUse]:
        """Remove the old peppers that nobody needs, or that are past their end; ``needed``: all. Return them."""
        with self._alone():
            newest, *others = peppers_of(self.pepper())
            if not self.pepper.source.is_ours:
                raise NotAllowed(f"{self.pepper.source} is not for midca to write: take old lines out by hand.")
            dropped = [
                use for use in self.pepper_uses() if use.pepper in others and (needed or not self._is_needed(use))
            ]
            if dropped:
                gone = {use.kid for use in dropped}
                with self._recorded(Action.PEPPER_DROPPED, " ".join(sorted(gone)), actor):
                    self._write_peppers([newest, *(pepper for pepper in others if pepper.kid not in gone)])
        return dropped

    def pepper_uses(self) -> list[PepperUse]:
        """Return how many passwords wait for each pepper, the one for new passwords first."""
        peppers = peppers_of(self.pepper())
        by_kid: dict[str, Pepper | None] = {pepper.kid: pepper for pepper in peppers}
        waiting, spent = Counter[str](), Counter[str]()
        for named, status, profile, number in self.end_entities.counts_by_pepper():
            # Passwords that name no pepper are older than the first change of it, and so the oldest one's.
            kid = named or peppers[-1].kid
            by_kid.setdefault(kid, None)
            again = status is EndEntityStatus.GENERATED and self.can_return(profile)
            (waiting if status in ENROLLABLE or again else spent)[kid] += number
        return [PepperUse(kid, pepper, waiting[kid], spent[kid]) for kid, pepper in by_kid.items()]

    def _is_needed(self, use: PepperUse) -> bool:
        return use.waiting > 0 and use.pepper is not None and use.pepper.is_good(self.now())

    def _write_peppers(self, peppers: Sequence[Pepper]) -> None:
        self.pepper.source.replace([pepper.to_line() for pepper in peppers])

    def _check_ours(self, secret: Secret, then: str) -> None:
        if not secret.source.is_ours:
            raise NotAllowed(_BY_HAND.format(secret=secret.source, then=then))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        with ExitStack() as stack:
            for turn in self.turns:
                stack.enter_context(turn.held())
            yield

    @contextmanager
    def _recorded(self, action: Action, name: str, actor: Actor) -> Iterator[None]:
        """Record the act, or do not do it. A kill between the two can leave the act alone: it is begun by an entry."""
        with self.database.transaction():
            self.audit.append(self.now(), actor.entry(action, name))
            yield
