"""Certificate revocation lists, and how many revocations each CA has seen."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from app.store.database import Database, Row

_PENDING, _ISSUED = "pending", "issued"


@dataclass(frozen=True)
class ListDates:
    """What the newest list of a CA is, without its bytes. ``revision`` tells which revocations it shows."""

    number: int
    revision: int
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True)
class StoredList(ListDates):
    """The same with the list itself, as DER."""

    crl: bytes = field(repr=False)


class RevocationListStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def dates(self, ca_name: str) -> ListDates | None:
        """Return what is known of the newest issued list; it is looked at every second, and a list may be large."""
        row = self._database.row(
            "SELECT number, revision, this_update, next_update FROM revocation_lists "
            "WHERE ca_name = :ca AND state = :issued ORDER BY number DESC LIMIT 1",
            ca=ca_name,
            issued=_ISSUED,
        )
        return ListDates(**_read(row)) if row else None

    def latest(self, ca_name: str) -> StoredList | None:
        """Return the newest issued list."""
        row = self._database.row(
            "SELECT number, revision, this_update, next_update, crl FROM revocation_lists "
            "WHERE ca_name = :ca AND state = :issued ORDER BY number DESC LIMIT 1",
            ca=ca_name,
            issued=_ISSUED,
        )
        return StoredList(**_read(row) | {"crl": base64.b64decode(row["crl"])}) if row else None

    def highest_number(self, ca_name: str) -> int:
        """Return the highest number ever taken, or 0."""
        row = self._database.row("SELECT max(number) AS number FROM revocation_lists WHERE ca_name = :ca", ca=ca_name)
        return (row["number"] or 0) if row else 0

    def revision(self, ca_name: str) -> int:
        """Return how many revocations, holds and releases the CA has seen."""
        row = self._database.row("SELECT revision FROM revocation_revisions WHERE ca_name = :ca", ca=ca_name)
        return row["revision"] if row else 0

    def add_pending(
        self, ca_name: str, number: int, revision: int, tbs_sha256: str, updates: tuple[datetime, datetime]
    ) -> None:
        """Record a list that is about to be signed."""
        self._database.insert(
            "revocation_lists",
            {
                "ca_name": ca_name,
                "number": number,
                "state": _PENDING,
                "revision": revision,
                "tbs_sha256": tbs_sha256,
                "crl": None,
                "this_update": to_text(updates[0]),
                "next_update": to_text(updates[1]),
            },
        )

    def mark_issued(self, ca_name: str, number: int, crl: bytes) -> None:
        """Store the signed list and drop the bodies of those before it."""
        self._database.execute(
            "UPDATE revocation_lists SET state = :issued, crl = :crl WHERE ca_name = :ca AND number = :number",
            issued=_ISSUED,
            crl=base64.b64encode(crl).decode(),
            ca=ca_name,
            number=number,
        )
        self._database.execute(
            "UPDATE revocation_lists SET crl = NULL WHERE ca_name = :ca AND number < :number AND crl IS NOT NULL",
            ca=ca_name,
            number=number,
        )


def _read(row: Row) -> Row:
    return row | {"this_update": from_text(row["this_update"]), "next_update": from_text(row["next_update"])}
