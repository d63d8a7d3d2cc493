"""The rows that the audit log speaks of, as a verification reads them: page by page, and only what is compared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.store.database import Database, Row

_PAGE: Final = 5000
_CERTIFICATE: Final = "serial, ca_name, username, tbs_sha256, state, revocation_reason"
_LIST: Final = "ca_name, scope, kind, number, tbs_sha256, state"


CertificateRecord = tuple[str, str, str, str, int]
"""What both the log and the row say of a certificate: see :data:`CERTIFICATE_FIELDS`. Plain, as there are millions."""

CERTIFICATE_FIELDS: Final = ("CA", "holder", "hash", "state", "reason")  # the reason is -1 while it is good


class ListRecord(NamedTuple):
    """What both say of a revocation list."""

    ca_name: str
    scope: str
    kind: str
    number: int


class NewestList(NamedTuple):
    """A revocation list with its body (base64 of DER)."""

    ca_name: str
    number: int
    revision: int
    this_update: str
    tbs_sha256: str
    crl: str


class AuditedRows:
    """Reads only. A certificate goes by its serial alone: serials are random, and older entries name no CA."""

    def __init__(self, database: Database) -> None:
        """Take the database to read."""
        self._database = database

    def certificates(self) -> Iterator[tuple[str, CertificateRecord, str | None]]:
        """Yield serial, record and body (base64 of DER) of every certificate."""
        after = ("", "")
        while page := self._database.tuples(
            f"SELECT {_CERTIFICATE}, certificate FROM certificates "  # noqa: S608 -- a constant # nosec B608
            "WHERE (ca_name, serial) > (:ca, :serial) ORDER BY ca_name, serial LIMIT :page",
            ca=after[0],
            serial=after[1],
            page=_PAGE,
        ):
            for row in page:
                yield row[0], row[1:6], row[6]
            after = (page[-1][1], page[-1][0])

    def certificates_of(self, serials: Sequence[str]) -> dict[str, CertificateRecord]:
        """Return the records of some serials."""
        sql = f"SELECT {_CERTIFICATE} FROM certificates WHERE serial = :serial"  # noqa: S608 -- a constant # nosec B608
        rows = [row for serial in serials for row in self._database.tuples(sql, serial=serial)]
        return {row[0]: row[1:] for row in rows}

    def lists(self) -> Iterator[tuple[str, ListRecord, bool]]:
        """Yield the hash of the to-be-signed bytes, the record, and whether it was issued, of every revocation list."""
        for row in self._database.rows(f"SELECT {_LIST} FROM revocation_lists"):  # noqa: S608 -- a constant # nosec B608
            record = ListRecord(row["ca_name"], row["scope"], row["kind"], row["number"])
            yield row["tbs_sha256"], record, row["state"] == "issued"

    def newest_lists(self) -> list[NewestList]:
        """Return the newest list of each CA that covers all its certificates."""
        return [
            NewestList(*row)
            for row in self._database.tuples(
                "SELECT ca_name, number, revision, this_update, tbs_sha256, crl FROM revocation_lists "
                "WHERE crl IS NOT NULL AND scope = 'all' AND kind = 'complete' ORDER BY ca_name"
            )
        ]

    def revocations(self, ca_name: str, revision: int) -> Iterator[tuple[str, int, str]]:
        """Yield serial, reason and end of what was revoked, held or released up to a revision, and never since."""
        after = (0, "~")  # behind every serial
        while page := self._database.tuples(
            "SELECT serial, revocation_reason, not_after, revocation_revision FROM certificates WHERE ca_name = :ca "
            "AND (revocation_revision, serial) > (:after, :serial) AND revocation_revision <= :revision "
            "AND revocation_revision <> 0 ORDER BY revocation_revision, serial LIMIT :page",
            ca=ca_name,
            revision=revision,
            after=after[0],
            serial=after[1],
            page=_PAGE,
        ):
            for serial, reason, not_after, _ in page:
                yield serial, reason, not_after
            after = (page[-1][3], page[-1][0])

    def was_changed_since(self, ca_name: str, serial: str, revision: int) -> bool:
        """Return whether the certificate is there, and was revoked, held or released after that revision."""
        sql = "SELECT 1 FROM certificates WHERE ca_name = :ca AND serial = :serial AND revocation_revision > :revision"
        return bool(self._database.tuples(sql, ca=ca_name, serial=serial, revision=revision))

    def is_known_elsewhere(self, ca_name: str, serial: str) -> bool:
        """Return whether an offline key may have signed the certificate, and only its medium knows of it."""
        sql = (
            "SELECT 1 FROM offline_authorities WHERE ca_name = :ca "
            "AND NOT EXISTS (SELECT 1 FROM certificates WHERE ca_name = :ca AND serial = :serial)"
        )
        return bool(self._database.tuples(sql, ca=ca_name, serial=serial))

    def tokens(self) -> Iterator[tuple[str, bool, Row]]:
        """Yield the name of every access token, whether it was revoked, and its particulars as the log has them."""
        for row in self._database.rows(
            "SELECT name, revoked_at, credential, token_sha256 AS sha256, role, tenant, expires_at AS expires "
            "FROM access_tokens"
        ):
            yield row.pop("name"), row.pop("revoked_at") is not None, row

    def restores(self) -> Iterator[tuple[int, str]]:
        """Yield the entry of every restore, and the public key of the checkpoints of before."""
        yield from self._database.tuples("SELECT entry, verifier FROM restores")
