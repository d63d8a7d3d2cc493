"""The rows that the audit log speaks of, as a verification reads them: page by page, and only what is compared."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.store.database import Database, Row

_PAGE: Final = 5000
_CERTIFICATE: Final = "serial, ca_name, username, tbs_sha256, state, revocation_reason, certificate"
_LIST: Final = "ca_name, scope, kind, number, tbs_sha256, state"


class CertificateRecord(NamedTuple):
    """What both the log and the row say of a certificate; ``reason`` is -1 while it is good."""

    ca_name: str
    username: str
    tbs_sha256: str
    state: str
    reason: int


class ListRecord(NamedTuple):
    """What both say of a revocation list."""

    ca_name: str
    scope: str
    kind: str
    number: int


class AuditedRows:
    """Reads only. A certificate goes by its serial alone: serials are random, and older entries name no CA."""

    def __init__(self, database: Database) -> None:
        """Take the database to read."""
        self._database = database

    def certificates(self) -> Iterator[tuple[str, CertificateRecord, bytes | None]]:
        """Yield serial, record and DER of every certificate."""
        after = ("", "")
        while page := self._database.rows(
            f"SELECT {_CERTIFICATE} FROM certificates "  # noqa: S608 -- a constant # nosec B608
            "WHERE (ca_name, serial) > (:ca, :serial) ORDER BY ca_name, serial LIMIT :page",
            ca=after[0],
            serial=after[1],
            page=_PAGE,
        ):
            yield from map(_certificate, page)
            after = (page[-1]["ca_name"], page[-1]["serial"])

    def certificates_of(self, serials: Sequence[str]) -> dict[str, CertificateRecord]:
        """Return the records of some serials."""
        found = {}
        for wanted in serials:
            for row in self._database.rows(
                f"SELECT {_CERTIFICATE} FROM certificates WHERE serial = :serial",  # noqa: S608 -- a constant # nosec B608
                serial=wanted,
            ):
                serial, record, _ = _certificate(row)
                found[serial] = record
        return found

    def lists(self) -> Iterator[tuple[str, ListRecord, bool]]:
        """Yield the hash of the to-be-signed bytes, the record, and whether it was issued, of every revocation list."""
        for row in self._database.rows(f"SELECT {_LIST} FROM revocation_lists"):  # noqa: S608 -- a constant # nosec B608
            record = ListRecord(row["ca_name"], row["scope"], row["kind"], row["number"])
            yield row["tbs_sha256"], record, row["state"] == "issued"

    def tokens(self) -> Iterator[tuple[str, bool]]:
        """Yield the name of every access token, and whether it was revoked."""
        for row in self._database.rows("SELECT name, revoked_at FROM access_tokens"):
            yield row["name"], row["revoked_at"] is not None


def _certificate(row: Row) -> tuple[str, CertificateRecord, bytes | None]:
    record = CertificateRecord(
        row["ca_name"], row["username"], row["tbs_sha256"], row["state"], row["revocation_reason"]
    )
    return row["serial"], record, base64.b64decode(row["certificate"]) if row["certificate"] else None
