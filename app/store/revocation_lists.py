"""Certificate revocation lists, and how many revocations each CA has seen."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from app.pki.distribution_points import ListKind, ListScope
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from app.store.database import Database, Row

_PENDING, _ISSUED = "pending", "issued"
_DATES = "number, revision, this_update, next_update, about, octets"


@dataclass(frozen=True)
class ListName:
    """Which list: of which CA, over which certificates, complete or delta."""

    ca_name: str
    scope: ListScope
    kind: ListKind = ListKind.COMPLETE

    def as_columns(self) -> dict[str, str]:
        """Return the name as the columns of its row."""
        return {"ca_name": self.ca_name, "scope": str(self.scope), "kind": str(self.kind)}


@dataclass(frozen=True)
class ListDates:
    """What a list is, without its ``octets``. ``revision`` tells which revocations it shows.

    ``about`` is a hash of what it says of itself beside entries, number and dates.
    """

    number: int
    revision: int
    this_update: datetime
    next_update: datetime
    about: str = ""
    octets: int = 0


@dataclass(frozen=True)
class StoredList(ListDates):
    """The same with the list itself, as DER."""

    crl: bytes = field(default=b"", repr=False)


class RevocationListStore:
    """Reads and writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def dates(self, name: ListName) -> ListDates | None:
        """Return what is known of the newest issued list; it is looked at every second, and a list may be large."""
        row = self._newest(name, _DATES)
        return ListDates(**_read(row)) if row else None

    def latest(self, name: ListName) -> StoredList | None:
        """Return the newest issued list."""
        row = self._newest(name, f"{_DATES}, crl")
        return StoredList(**_read(row) | {"crl": base64.b64decode(row["crl"])}) if row else None

    def newest(self, ca_name: str) -> dict[ListName, ListDates]:
        """Return the newest issued list of each scope and kind of a CA."""
        rows = self._database.rows(
            f"SELECT scope, kind, {_DATES} FROM revocation_lists "  # noqa: S608 -- a constant # nosec B608
            "WHERE ca_name = :ca AND crl IS NOT NULL ORDER BY number",
            ca=ca_name,
        )
        return {
            ListName(ca_name, ListScope.from_text(row.pop("scope")), ListKind(row.pop("kind"))): ListDates(**_read(row))
            for row in rows
        }

    def oldest_good(self, name: ListName, now: datetime) -> ListDates | None:
        """Return the oldest issued list that somebody may still hold and go by."""
        row = self._database.row(
            f"SELECT {_DATES} FROM revocation_lists "  # noqa: S608 -- a constant # nosec B608
            "WHERE ca_name = :ca_name AND scope = :scope AND kind = :kind AND state = :issued AND next_update > :now "
            "ORDER BY number LIMIT 1",
            **name.as_columns(),
            issued=_ISSUED,
            now=to_text(now),
        )
        return ListDates(**_read(row)) if row else None

    def highest_number(self, ca_name: str) -> int:
        """Return the highest number ever taken, or 0; after a restore, one that no lost list can have."""
        row = self._database.row(
            "SELECT max(number) AS number FROM (SELECT max(number) AS number FROM revocation_lists WHERE ca_name = :ca "
            "UNION ALL SELECT max(list_number) FROM restores) AS numbers",
            ca=ca_name,
        )
        return (row["number"] or 0) if row else 0

    def highest_number_on_record(self, ca_name: str) -> int:
        """Return the highest number that a list on record has, or 0."""
        row = self._database.row("SELECT max(number) AS number FROM revocation_lists WHERE ca_name = :ca", ca=ca_name)
        return (row["number"] or 0) if row else 0

    def highest_number_of_all(self) -> int:
        """Return the highest number that any CA ever took, or 0."""
        row = self._database.row("SELECT max(number) AS number FROM revocation_lists")
        return (row["number"] or 0) if row else 0

    def revision(self, ca_name: str) -> int:
        """Return how many revocations, holds and releases the CA has seen."""
        row = self._database.row("SELECT revision FROM revocation_revisions WHERE ca_name = :ca", ca=ca_name)
        return row["revision"] if row else 0

    def add_pending(self, name: ListName, dates: ListDates, tbs_sha256: str) -> None:
        """Record a list that is about to be signed."""
        self._database.insert(
            "revocation_lists",
            {
                **name.as_columns(),
                "number": dates.number,
                "state": _PENDING,
                "revision": dates.revision,
                "tbs_sha256": tbs_sha256,
                "crl": None,
                "about": dates.about,
                "octets": 0,
                "this_update": to_text(dates.this_update),
                "next_update": to_text(dates.next_update),
            },
        )

    def mark_unchanged(self, name: ListName, revision: int) -> None:
        """Record that the newest list shows all revocations up to ``revision``: none of those since was for it."""
        self._database.execute(
            "UPDATE revocation_lists SET revision = :revision "
            "WHERE ca_name = :ca_name AND scope = :scope AND kind = :kind AND crl IS NOT NULL",
            **name.as_columns(),
            revision=revision,
        )

    def mark_issued(self, name: ListName, tbs_sha256: str, crl: bytes) -> None:
        """Store the signed list and drop the bodies of those before it."""
        self._database.execute(
            "UPDATE revocation_lists SET crl = NULL "
            "WHERE ca_name = :ca_name AND scope = :scope AND kind = :kind AND crl IS NOT NULL",
            **name.as_columns(),
        )
        self._database.execute(
            "UPDATE revocation_lists SET state = :issued, crl = :crl, octets = :octets WHERE tbs_sha256 = :tbs",
            issued=_ISSUED,
            crl=base64.b64encode(crl).decode(),
            octets=len(crl),
            tbs=tbs_sha256,
        )

    def mark_lost(self, tbs_sha256: str) -> None:
        """Record of a list that it was issued, and that nobody here has it any more."""
        self._database.execute(
            "UPDATE revocation_lists SET state = :issued WHERE tbs_sha256 = :tbs", issued=_ISSUED, tbs=tbs_sha256
        )

    def forget_lost(self, tbs_sha256: str) -> None:
        """Forget a list that :meth:`mark_lost` recorded: somebody brings it back."""
        self._database.execute(
            "DELETE FROM revocation_lists WHERE tbs_sha256 = :tbs AND crl IS NULL AND octets = 0", tbs=tbs_sha256
        )

    def mark_all_due(self) -> None:
        """Have every list issued anew; those that are there are handed out meanwhile."""
        self._database.execute("UPDATE revocation_lists SET about = '' WHERE crl IS NOT NULL")

    def _newest(self, name: ListName, columns: str) -> Row | None:
        return self._database.row(
            f"SELECT {columns} FROM revocation_lists "  # noqa: S608 -- of this class # nosec B608
            "WHERE ca_name = :ca_name AND scope = :scope AND kind = :kind AND crl IS NOT NULL "
            "ORDER BY number DESC LIMIT 1",
            **name.as_columns(),
        )


def _read(row: Row) -> Row:
    return row | {"this_update": from_text(row["this_update"]), "next_update": from_text(row["next_update"])}
