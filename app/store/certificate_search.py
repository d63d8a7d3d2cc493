"""Finds certificates by what an operator knows of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from string import ascii_uppercase
from typing import TYPE_CHECKING, Final

from app.store.certificates import COLUMNS, StoredCertificate, from_row
from app.store.times import to_text

if TYPE_CHECKING:
    from app.store.database import Database


class Condition(StrEnum):
    """What has become of a certificate."""

    GOOD = "good"
    HELD = "held"
    REVOKED = "revoked"
    ENDED = "ended"
    PENDING = "pending"


# "|| ''" where nearly every row may fit: SQLite must not take that for the place to begin at, and then sort a million.
_CONDITIONS: Final = {
    Condition.GOOD: "state || '' = 'issued' AND revocation_reason = -1 AND not_after >= :now",
    Condition.HELD: "revocation_reason = 6 AND not_after >= :now",
    Condition.REVOKED: "revocation_reason >= 0 AND revocation_reason <> 6",
    Condition.ENDED: "not_after < :now",
    Condition.PENDING: "state = 'pending'",
}
_FIELDS: Final = {
    "serial": "serial >= :serial AND serial < :serial || 'G'",  # behind all that goes on in hex
    "entity": "username = :entity",
    "subject": "lower(subject_dn) LIKE :subject ESCAPE '!'",
    "ca_name": "ca_name || '' = :ca_name",
    "ends_before": "not_after < :ends_before AND not_after >= :now",
}


@dataclass(frozen=True)
class CertificateSearch:
    """What is looked for; None means anything. ``serial``: how it begins, in upper-case hex; ``subject``: any part."""

    serial: str | None = None
    entity: str | None = None
    subject: str | None = None
    ca_name: str | None = None
    condition: Condition | None = None
    ends_before: datetime | None = None

    def run(self, database: Database, now: datetime, limit: int) -> list[StoredCertificate]:
        """Return certificates that fit, newest first; where serial or end are looked for, in the order of these."""
        parameters = {
            "serial": self.serial,
            "entity": self.entity,
            "subject": _containing(_lower(self.subject)),
            "ca_name": self.ca_name,
            "ends_before": to_text(self.ends_before) if self.ends_before else None,
        }
        conditions = ["1 = 1", *(_FIELDS[name] for name, value in parameters.items() if value is not None)]
        if self.condition is not None:
            conditions.append(_CONDITIONS[self.condition])
        order = "serial" if self.serial is not None else "not_after" if self.ends_before else "created_at DESC"
        rows = database.rows(
            f"SELECT {COLUMNS} FROM certificates WHERE {' AND '.join(conditions)} "  # noqa: S608 -- from above # nosec B608
            f"ORDER BY {order} LIMIT :limit",
            **parameters,
            now=to_text(now),
            limit=limit,
        )
        return [from_row(row) for row in rows]


def _lower(text: str | None) -> str | None:
    """Return the text with its ASCII letters in lower case: SQLite's lower() knows no others."""
    return text and text.translate({ord(letter): letter.lower() for letter in ascii_uppercase})


def _containing(text: str | None) -> str | None:
    """Return a LIKE pattern for what contains the text as it is."""
    if text is None:
        return None
    for special in "!%_":
        text = text.replace(special, f"!{special}")
    return f"%{text}%"
