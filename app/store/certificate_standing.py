"""How a certificate stands, read without its bytes: OCSP asks at every request, and every enrolment of the CAs'."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.pki.revocation import RevocationReason
from app.store.certificates import CertificateState, CertificateType
from app.store.times import from_text

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.store.database import Database


@dataclass(frozen=True)
class CertificateStanding:
    """How far a certificate got, and whether and when it was revoked; ``revision`` changes with every such change."""

    state: CertificateState
    revoked_at: datetime | None
    revocation_reason: RevocationReason
    revision: int


def standing(database: Database, ca_name: str, serial: str) -> CertificateStanding | None:
    """Return how the certificate of that CA and serial (upper-case hex, no leading zeros) stands; None: no such one."""
    row = database.row(
        "SELECT state, revoked_at, revocation_reason, revocation_revision FROM certificates "
        "WHERE ca_name = :ca AND serial = :serial",
        ca=ca_name,
        serial=serial,
    )
    if row is None:
        return None
    revoked_at = from_text(row["revoked_at"]) if row["revoked_at"] else None
    return CertificateStanding(
        CertificateState(row["state"]),
        revoked_at,
        RevocationReason(row["revocation_reason"]),
        row["revocation_revision"],
    )


def revoked_authorities(database: Database, names: Collection[str]) -> set[str]:
    """Return those of the CAs whose newest certificate is revoked; an older one counts no more once it was renewed."""
    named = {f"name{number}": name for number, name in enumerate(names)}
    marks = ", ".join(f":{mark}" for mark in named)
    rows = database.rows(
        "SELECT username, revocation_reason FROM certificates "  # noqa: S608 -- marks alone # nosec B608
        f"WHERE username IN ({marks}) AND certificate_type <> :end_entity AND state = :issued "
        "ORDER BY username, created_at",
        **named,
        end_entity=CertificateType.END_ENTITY,
        issued=CertificateState.ISSUED,
    )
    newest = {row["username"]: row["revocation_reason"] for row in rows}
    return {name for name, reason in newest.items() if reason != RevocationReason.NOTREVOKED}
