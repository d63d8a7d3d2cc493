"""What revocation lists need of the certificates, read by the order in which it happened."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from app.pki.revocation import RevocationReason
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.store.database import Database

_PAGE = 5000


Place = tuple[int, str]
"""Where a revocation stands among those of its CA: the revision, and the serial among those of one revision."""


class RevokedCertificate(NamedTuple):
    """What a revocation list needs of a certificate; a list may hold a million. ``revoked_at`` None: released."""

    serial: int
    revoked_at: datetime | None
    reason: RevocationReason
    partition: int | None


class Revoked(NamedTuple):
    """A certificate that was revoked or put on hold, and whose it is; ``at`` is its place in the order of them all."""

    at: Place
    serial: str
    username: str
    subject_dn: str
    reason: RevocationReason
    revoked_at: datetime
    not_after: datetime


class RevokedCertificates:
    """Reads alone."""

    def __init__(self, database: Database) -> None:
        """Take the database to read."""
        self._database = database

    def changed(self, ca_name: str, *, since_revision: int, ended_before: datetime) -> Iterator[RevokedCertificate]:
        """Yield what was revoked, held or released since that revision and did not end before that time.

        In the order in which it happened, page by page, so that nobody waits long for the database. A certificate whose
        state changes meanwhile may come twice; then the later one is right.
        """
        after = (since_revision, "~")  # behind every serial
        while page := self._changed(ca_name, after, ended_before):
            for serial, revoked_at, reason, partition, _ in page:
                at = from_text(revoked_at) if revoked_at else None
                yield RevokedCertificate(int(serial, 16), at, RevocationReason(reason), partition)
            after = (page[-1][4], page[-1][0])

    def holders(self, ca_name: str, after: Place, limit: int) -> list[Revoked]:
        """Return whose certificates were revoked or held behind that place, in the order in which it happened.

        Certificates that were never handed out (orphans), and those released or revoked anew since, are not there.
        """
        rows = self._database.rows(
            "SELECT serial, username, subject_dn, revocation_reason, revoked_at, not_after, revocation_revision "
            "FROM certificates WHERE ca_name = :ca AND revocation_revision <> 0 "
            "AND (revocation_revision, serial) > (:revision, :serial) "
            "AND revocation_reason >= 0 AND state = 'issued' AND certificate_type = 1 "
            "ORDER BY revocation_revision, serial LIMIT :limit",
            ca=ca_name,
            revision=after[0],
            serial=after[1],
            limit=limit,
        )
        return [
            Revoked(
                (row["revocation_revision"], row["serial"]),
                row["serial"],
                row["username"],
                row["subject_dn"],
                RevocationReason(row["revocation_reason"]),
                from_text(row["revoked_at"]),
                from_text(row["not_after"]),
            )
            for row in rows
        ]

    def highest_partition(self, ca_name: str) -> int | None:
        """Return the highest partition that a certificate of the CA names, None when none does."""
        row = self._database.row(
            "SELECT max(crl_partition) AS highest FROM certificates WHERE ca_name = :ca AND crl_partition IS NOT NULL",
            ca=ca_name,
        )
        return row["highest"] if row else None

    def changed_partitions(self, ca_name: str, *, since_revision: int) -> set[int | None]:
        """Return the partitions in which a certificate was revoked, held or released since that revision."""
        rows = self._database.rows(
            "SELECT DISTINCT crl_partition FROM certificates "
            "WHERE ca_name = :ca AND revocation_revision <> 0 AND revocation_revision > :since",
            ca=ca_name,
            since=since_revision,
        )
        return {row["crl_partition"] for row in rows}

    def _changed(
        self, ca_name: str, after: Place, ended_before: datetime
    ) -> list[tuple[str, str | None, int, int | None, int]]:
        return self._database.tuples(
            "SELECT serial, revoked_at, revocation_reason, crl_partition, revocation_revision FROM certificates "
            "WHERE ca_name = :ca AND revocation_revision <> 0 AND not_after >= :end "
            "AND (revocation_revision, serial) > (:revision, :serial) "
            "ORDER BY revocation_revision, serial LIMIT :page",
            ca=ca_name,
            end=to_text(ended_before),
            revision=after[0],
            serial=after[1],
            page=_PAGE,
        )
