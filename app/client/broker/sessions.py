"""Ends sessions that are open: a broker looks at certificates and lists when a client connects, and never again."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from ..errors import ClientError
from .programs import run


class NotEnded(ClientError):
    """The sessions of these names may still be there; those of the others that were asked for are not."""

    def __init__(self, names: Collection[str]) -> None:
        """Take the names."""
        self.names = frozenset(names)
        super().__init__(f"The broker did not end the sessions of {', '.join(sorted(names))}.")


class Sessions(Protocol):
    """The sessions of a broker, by the name it reads in certificates: their common name.

    ``again_after`` is when to end those of a name once more: a client that had shown its certificate before the broker
    got the new list, and kept silent since, was no session yet. None where no such connection outlives ``end``.
    """

    @property
    def again_after(self) -> timedelta | None:
        """See above."""

    def end(self, names: Collection[str]) -> None:
        """End all sessions of these; raise :class:`NotEnded` for some of them, other :class:`ClientError` for all."""

    def check(self) -> None:
        """Raise :class:`ClientError` unless :meth:`end` would work now."""


_log = logging.getLogger("midca.broker")
_NAME: Final = "{name}"


@dataclass(frozen=True)
class CommandSessions:
    """A program: once for each name if ``{name}`` stands in it, else once for all, such as a restart of the broker."""

    command: tuple[str, ...]

    @property
    def again_after(self) -> timedelta | None:
        """After a restart nothing is left; whoever takes names may read lists later than the agent writes them."""
        return timedelta(minutes=2) if self._takes_names else None

    @property
    def _takes_names(self) -> bool:
        return any(_NAME in part for part in self.command)

    def end(self, names: Collection[str]) -> None:
        """Run it."""
        if not self._takes_names:
            run(self.command)
            return
        failed = {name for name in sorted(names) if not self._ended(name)}
        if failed:
            raise NotEnded(failed)

    def check(self) -> None:
        """Nothing can be known before it is needed."""

    def _ended(self, name: str) -> bool:
        try:
            run([part.replace(_NAME, name) for part in self.command])
        except ClientError as error:
            _log.error("%s", error)
            return False
        return True
