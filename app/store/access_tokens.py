"""Bearer tokens and client certificates by their hash; the tokens themselves are nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.database import Database, Row


class Credential(StrEnum):
    """What its holder shows."""

    TOKEN = "token"  # noqa: S105 -- the kind of a thing
    CERTIFICATE = "certificate"


@dataclass(frozen=True)
class AccessToken:
    """What is known of a token or a client certificate, without it: ``sha256`` (hex) is what it is recognised by.

    With a ``tenant`` its holder reaches the end entities of that one alone.
    """

    name: str
    credential: Credential
    sha256: str
    role: str
    tenant: str | None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def valid_at(self, now: datetime) -> bool:
        """True while it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def particulars(self) -> dict[str, str | None]:
        """Return what never changes of it, for the audit log."""
        return {
            "credential": self.credential,
            "sha256": self.sha256,
            "role": self.role,
            "tenant": self.tenant,
            "expires": to_text(self.expires_at) if self.expires_at else None,
        }


_SELECT: Final = (
    "SELECT name, credential, token_sha256, role, tenant, created_at, expires_at, revoked_at FROM access_tokens"
)


class AccessTokenStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def add(self, token: AccessToken) -> None:
        """Record a token."""
        self._database.insert(
            "access_tokens",
            {
                "name": token.name,
                "role": token.role,
                "tenant": token.tenant,
                "credential": str(token.credential),
                "token_sha256": token.sha256,
                "created_at": to_text(token.created_at),
                "expires_at": to_text(token.expires_at) if token.expires_at else None,
                "revoked_at": None,
            },
        )

    def find(self, name: str) -> AccessToken | None:
        """Return the token of that name."""
        row = self._database.row(f"{_SELECT} WHERE name = :name", name=name)
        return _token(row) if row else None

    def find_hash(self, credential: Credential, sha256: str) -> AccessToken | None:
        """Return the token, or the certificate, with that SHA-256 (hex)."""
        row = self._database.row(
            f"{_SELECT} WHERE token_sha256 = :hash AND credential = :credential",
            hash=sha256,
            credential=str(credential),
        )
        return _token(row) if row else None

    def all(self) -> list[AccessToken]:
        """Return all tokens, oldest first."""
        return [_token(row) for row in self._database.rows(f"{_SELECT} ORDER BY created_at, name")]

    def revoke(self, name: str, now: datetime) -> None:
        """End a token now."""
        self._database.execute(
            "UPDATE access_tokens SET revoked_at = :now WHERE name = :name AND revoked_at IS NULL",
            name=name,
            now=to_text(now),
        )


def _token(row: Row) -> AccessToken:
    return AccessToken(
        name=row["name"],
        credential=Credential(row["credential"]),
        sha256=row["token_sha256"],
        role=row["role"],
        tenant=row["tenant"],
        created_at=from_text(row["created_at"]),
        expires_at=from_text(row["expires_at"]) if row["expires_at"] else None,
        revoked_at=from_text(row["revoked_at"]) if row["revoked_at"] else None,
    )
