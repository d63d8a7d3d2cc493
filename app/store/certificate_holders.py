"""Who has a key or a name already, by every certificate there ever was."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from app.pki.revocation import RevocationReason
from app.store.times import to_text

if TYPE_CHECKING:
    from app.store.database import Database


class CertificateHolders:
    """Reads alone."""

    def __init__(self, database: Database) -> None:
        """Take the database to read."""
        self._database = database

    def of_key(self, public_key_sha256: str) -> list[tuple[str, RevocationReason]]:
        """Return holder and standing of every certificate there ever was of that public key; mostly there is none."""
        rows = self._database.rows(
            "SELECT username, revocation_reason FROM certificates WHERE public_key_sha256 = :key",
            key=public_key_sha256,
        )
        return [(row["username"], RevocationReason(row["revocation_reason"])) for row in rows]

    def holder_of_subject(self, ca_name: str, subject_dn: str, now: datetime, *, other_than: str) -> str | None:
        """Return the name of another holder of a certificate of that CA and subject that is good now, or None.

        One on hold counts as good: it may be released.
        """
        row = self._database.row(
            "SELECT username FROM certificates WHERE ca_name = :ca AND subject_dn = :dn AND username <> :other "
            "AND revocation_reason IN (:good, :hold) AND not_after > :now LIMIT 1",
            ca=ca_name,
            dn=subject_dn,
            other=other_than,
            good=RevocationReason.NOTREVOKED,
            hold=RevocationReason.CERTIFICATEHOLD,
            now=to_text(now),
        )
        return row["username"] if row else None
