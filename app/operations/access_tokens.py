"""Bearer tokens, and client certificates, for people and programs that manage the CA."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, InvalidInput, NotAuthenticated, UnknownToken
from app.operations.principal import GIVEN, Principal, Role
from app.pki.end_entity import TENANT
from app.store.access_tokens import AccessToken, Credential
from app.store.audit_log import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.callers import Shown
    from app.store.access_tokens import AccessTokenStore
    from app.store.audit_log import AuditLog
    from app.store.database import Database

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,63}")
_PREFIX: Final = "midca_"


@dataclass(frozen=True)
class Grant:
    """What a token is good for: a role, for one tenant's end entities or for all, for ever or for a while."""

    role: Role = Role.ADMIN
    tenant: str | None = None
    lifetime: timedelta | None = None

    def check(self) -> None:
        """Raise :class:`InvalidInput` when this can be given to nobody."""
        if self.role not in GIVEN:
            raise InvalidInput(f"A token gives one of the roles {', '.join(GIVEN)}.")
        if self.tenant is not None and not TENANT.fullmatch(self.tenant):
            raise InvalidInput("A tenant's name is 1 to 64 letters, digits, - and _.")
        if self.tenant is not None and self.role is Role.ADMIN:
            raise InvalidInput("An admin is of no tenant: who manages the end entities of one is its registrar.")


ADMIN: Final = Grant()


@dataclass(frozen=True)
class AccessTokens:
    """Makes, recognises and ends tokens; only their SHA-256 is stored, which is enough for 256 random bits."""

    database: Database
    store: AccessTokenStore
    audit: AuditLog
    now: Callable[[], datetime]

    def create(
        self, name: str, actor: Actor, grant: Grant = ADMIN, *, deliver: Callable[[str], None] | None = None
    ) -> str:
        """Record a new token and return it; it cannot be shown again.

        ``deliver`` gets the token before it is recorded; if that fails, there is no token.
        """
        token = f"{_PREFIX}{secrets.token_urlsafe(32)}"
        record = self._described(name, Credential.TOKEN, _hash(token), grant)
        with self.database.transaction():
            self._add(record, actor)
            if deliver is not None:
                deliver(token)
        return token

    def admit(self, name: str, certificate: bytes, actor: Actor, grant: Grant = ADMIN) -> AccessToken:
        """Give the holder of one client certificate (DER) what a token gives, and return the record."""
        sha256 = hashlib.sha256(certificate).hexdigest()
        record = self._described(name, Credential.CERTIFICATE, sha256, grant)
        with self.database.transaction():
            if self.store.find_hash(Credential.CERTIFICATE, sha256) is not None:
                raise Conflict("The certificate was admitted already, and is never admitted again.")
            self._add(record, actor)
        return record

    def recognise(self, token: str) -> AccessToken | None:
        """Return the record of a token that is good now, or None."""
        return self._good(self.store.find_hash(Credential.TOKEN, _hash(token)))

    def recognise_certificate(self, certificate: bytes) -> AccessToken | None:
        """Return the record of a client certificate (DER) that is admitted now, or None."""
        return self._good(self.store.find_hash(Credential.CERTIFICATE, hashlib.sha256(certificate).hexdigest()))

    def principal(self, shown: Shown) -> Principal | None:
        """Return whose token was shown, None when none of ours was; see :class:`~app.operations.callers.Way`."""
        if shown.bearer is None or not shown.bearer.startswith(_PREFIX):
            return None
        token = self.recognise(shown.bearer)
        if token is None:
            raise NotAuthenticated("The token is none of this CA's, has ended or was revoked.")
        return holder(token, "bearer token")

    def revoke(self, name: str, actor: Actor) -> None:
        """End a token at once."""
        with self.database.transaction():
            if self.store.find(name) is None:
                raise UnknownToken(f"There is no token {name[:80]}.")
            self.store.revoke(name, self.now())
            self.audit.append(self.now(), actor.entry(Action.TOKEN_REVOKED, name))

    def _good(self, found: AccessToken | None) -> AccessToken | None:
        return found if found is not None and found.valid_at(self.now()) else None

    def _described(self, name: str, credential: Credential, sha256: str, grant: Grant) -> AccessToken:
        if not _NAME.fullmatch(name):
            raise InvalidInput("A token's name is 1 to 64 letters, digits, blanks and any of . _ @ - in it.")
        grant.check()
        now = self.now()
        end = now + grant.lifetime if grant.lifetime else None
        return AccessToken(name, credential, sha256, grant.role, grant.tenant, now, end)

    def _add(self, record: AccessToken, actor: Actor) -> None:
        if self.store.find(record.name) is not None:
            raise Conflict(f"There is a token {record.name} already; a name is never used again.")
        self.store.add(record)
        self.audit.append(record.created_at, actor.entry(Action.TOKEN_CREATED, record.name, record.particulars()))


def holder(token: AccessToken, how: str) -> Principal:
    """Return the principal that a token, or a certificate in its place, makes of its holder."""
    return Principal(f"token {token.name}", how, frozenset({Role(token.role)}), token.tenant)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
