"""Bearer tokens by their hash; the tokens themselves are nowhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.database import Database, Row


@dataclass(frozen=True)
class AccessToken:
    """A token's record, without the token."""

    name: str
    role: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None

    def valid_at(self, now: datetime) -> bool:
        """True while it is neither revoked nor expired."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class AccessTokenStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def add(self, token: AccessToken, token_sha256: str) -> None:
        """Record a token under the hash it will be recognised by."""
        self._database.insert(
            "access_tokens",
            {
                "name": token.name,
                "role": token.role,
                "token_sha256": token_sha256,
                "created_at": to_text(token.created_at),
                "expires_at": to_text(token.expires_at) if token.expires_at else None,
                "revoked_at": None,
            },
        )

    def find(self, name: str) -> AccessToken | None:
        """Return the token of that name."""
        row = self._database.row("SELECT * FROM access_tokens WHERE name = :name", name=name)
        return _token(row) if row else None

    def find_hash(self, token_sha256: str) -> AccessToken | None:
        """Return the token with that SHA-256 (hex)."""
        row = self._database.row("SELECT * FROM access_tokens WHERE token_sha256 = :hash", hash=token_sha256)
        return _token(row) if row else None

    def all(self) -> list[AccessToken]:
        """Return all tokens, oldest first."""
        return [_token(row) for row in self._database.rows("SELECT * FROM access_tokens ORDER BY created_at, name")]

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
        role=row["role"],
        created_at=from_text(row["created_at"]),
        expires_at=from_text(row["expires_at"]) if row["expires_at"] else None,
        revoked_at=from_text(row["revoked_at"]) if row["revoked_at"] else None,
    )
