"""Who lost a certificate, in the order in which it happened: for brokers, which have to end the sessions of these."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, InvalidInput

if TYPE_CHECKING:
    from app.operations.authorities import Authorities
    from app.store.revocation_lists import RevocationListStore
    from app.store.revoked_certificates import Place, Revoked, RevokedCertificates

PAGE: Final = 1000
BEGINNING: Final = "0."
_CURSOR: Final = re.compile(r"(0|[1-9][0-9]{0,17})\.([0-9A-F]{0,64})", re.ASCII)


@dataclass(frozen=True)
class FeedPage:
    """Some of what was revoked; ``cursor`` asks for what comes behind it, which there is already when ``more``."""

    revoked: list[Revoked]
    cursor: str
    more: bool


@dataclass(frozen=True)
class RevocationFeed:
    """Reads alone. What is revoked, held or made KEYCOMPROMISE again comes once more, at its new place."""

    revoked: RevokedCertificates
    lists: RevocationListStore
    authorities: Authorities

    def page(self, ca: str, cursor: str = BEGINNING) -> FeedPage:
        """Return what was revoked behind that cursor.

        Raises :class:`Conflict` for one that is ahead of the CA: its database was put back from a backup since.
        """
        name, after = self.authorities.named(ca).name, _place(cursor)
        if after[0] > self.lists.revision(name):
            raise Conflict(f"{name} has not come so far: it was put back from a backup. Begin anew, without a cursor.")
        found = self.revoked.holders(name, after, PAGE)
        return FeedPage(found, cursor_at(found[-1].at) if found else cursor, len(found) == PAGE)


def _place(cursor: str) -> Place:
    match = _CURSOR.fullmatch(cursor)
    if match is None:
        raise InvalidInput(f"{cursor[:80]!r} is no cursor of this feed.")
    return int(match[1]), match[2]


def cursor_at(at: Place) -> str:
    """Return the cursor that asks for what comes behind that place."""
    return f"{at[0]}.{at[1]}"
