"""Bearer tokens for people and programs that manage the CA."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, InvalidInput, UnknownToken
from app.store.access_tokens import AccessToken
from app.store.audit_log import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.store.access_tokens import AccessTokenStore
    from app.store.audit_log import AuditLog
    from app.store.database import Database

ADMIN: Final = "admin"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")


@dataclass(frozen=True)
class AccessTokens:
    """Makes, recognises and ends tokens; only their SHA-256 is stored, which is enough for 256 random bits."""

    database: Database
    store: AccessTokenStore
    audit: AuditLog
    now: Callable[[], datetime]

    def create(
        self,
        name: str,
        actor: Actor,
        *,
        lifetime: timedelta | None = None,
        deliver: Callable[[str], None] | None = None,
    ) -> str:
        """Record a new admin token and return it; it cannot be shown again.

        ``deliver`` gets the token before it is recorded; if that fails, there is no token.
        """
        if not _NAME.fullmatch(name):
            raise InvalidInput("A token's name is 1 to 64 letters, digits, blanks and any of . _ @ - in it.")
        token = f"midca_{secrets.token_urlsafe(32)}"
        now = self.now()
        record = AccessToken(name, ADMIN, now, now + lifetime if lifetime else None, None)
        with self.database.transaction():
            if self.store.find(name) is not None:
                raise Conflict(f"There is a token {name} already; a name is never used again.")
            self.store.add(record, _hash(token))
            self.audit.append(now, actor.entry(Action.TOKEN_CREATED, name))
            if deliver is not None:
                deliver(token)
        return token

    def recognise(self, token: str) -> AccessToken | None:
        """Return the record of a token that is good now, or None."""
        found = self.store.find_hash(_hash(token))
        return found if found is not None and found.valid_at(self.now()) else None

    def revoke(self, name: str, actor: Actor) -> None:
        """End a token at once."""
        with self.database.transaction():
            if self.store.find(name) is None:
                raise UnknownToken(f"There is no token {name[:80]}.")
            self.store.revoke(name, self.now())
            self.audit.append(self.now(), actor.entry(Action.TOKEN_REVOKED, name))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
