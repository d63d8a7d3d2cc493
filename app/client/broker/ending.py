"""Ends the sessions of those whose certificates were revoked, once the broker's list shows them."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from ..errors import printable
from .revocation_feed import Feed, Page
from .sessions import NotEnded, Sessions
from .state import State
from .trusted_files import TrustedFiles

_RETRY_AFTER: Final = timedelta(minutes=1)
_CHECK_AFTER: Final = timedelta(minutes=5)
_log = logging.getLogger("midca.broker")


@dataclass
class Ending:
    """At least once: what was done is saved after it was done, and nothing that changes the broker is left behind."""

    directory: Path
    feed: Feed
    sessions: Sessions
    now: Callable[[], datetime]
    state: State = field(init=False)
    _checked_at: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Go on where the agent before this one stopped."""
        self.state = State.load(self.directory)

    def run(self, trusted: TrustedFiles) -> None:
        """End what is due. ``trusted`` is what the broker has read. Raises :class:`ClientError`."""
        self._check_now_and_then()
        self._end_again()
        more = True
        while more:
            page = self.feed.page(self.state.cursor)
            if page is None:
                _log.warning("the CA was put back from a backup: the sessions of all revoked certificates are ended")
                self._save(cursor=None)
                page = self.feed.page(None)
            more = page is not None and self._end(page, trusted) and page.more

    def _end(self, page: Page, trusted: TrustedFiles) -> bool:
        """End the sessions of those the broker's list shows; return False when others have to wait for the next."""
        now = self.now()
        pending = {revoked.serial for revoked in page.revoked if revoked.ends > now}
        missing = pending - trusted.shows(pending)
        ready = list(itertools.takewhile(lambda revoked: revoked.serial not in missing, page.revoked))
        if not ready or ready[-1].cursor == self.state.cursor:
            return False
        names = {revoked.name for revoked in ready}
        failed = self._try(names)
        _log.info("ended the sessions of %s", printable(", ".join(sorted(names - failed))) or "nobody")
        again = dict.fromkeys(names, now + self.sessions.again_after) if self.sessions.again_after else {}
        again |= dict.fromkeys(failed, now + _RETRY_AFTER)
        self._save(ready[-1].cursor, {**self.state.again, **again}, len(names - failed))
        if failed:
            raise NotEnded(failed)
        return len(ready) == len(page.revoked)

    def _end_again(self) -> None:
        now = self.now()
        due = {name for name, at in self.state.again.items() if at <= now}
        if not due:
            return
        failed = self._try(due)
        waiting = {name: at for name, at in self.state.again.items() if name not in due}
        self._save(self.state.cursor, waiting | dict.fromkeys(failed, now + _RETRY_AFTER))
        if failed:
            raise NotEnded(failed)

    def _try(self, names: Collection[str]) -> frozenset[str]:
        """Return for which of the names it failed; raise when it did for all."""
        try:
            self.sessions.end(names)
        except NotEnded as error:
            return error.names
        return frozenset()

    def _check_now_and_then(self) -> None:
        """See that it will work before it is needed."""
        if self._checked_at is None or self.now() - self._checked_at >= _CHECK_AFTER:
            self.sessions.check()
            self._checked_at = self.now()

    def _save(self, cursor: str | None, again: dict[str, datetime] | None = None, ended: int = 0) -> None:
        again = dict(self.state.again) if again is None else again
        self.state = dataclasses.replace(self.state, cursor=cursor, again=again, ended=self.state.ended + ended)
        self.state.save(self.directory)
