"""How many certificates there are of each kind, read from an index alone: a monitor asks every few seconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pki.revocation import RevocationReason
from app.store.certificates import CertificateState, CertificateType

if TYPE_CHECKING:
    from app.store.database import Database


@dataclass(frozen=True)
class CertificateCount:
    """How many certificates of end entities are alike in these."""

    ca_name: str
    certificate_profile: str
    state: CertificateState
    revocation_reason: RevocationReason
    number: int


def counts(database: Database) -> list[CertificateCount]:
    """Return how many certificates of end entities there are, by CA, profile, state and revocation."""
    rows = database.rows(
        "SELECT state, certificate_type, ca_name, certificate_profile, revocation_reason, count(*) AS number "
        "FROM certificates GROUP BY state, certificate_type, ca_name, certificate_profile, revocation_reason"
    )
    return [
        CertificateCount(
            row["ca_name"],
            row["certificate_profile"],
            CertificateState(row["state"]),
            RevocationReason(row["revocation_reason"]),
            row["number"],
        )
        for row in rows
        if row["certificate_type"] == CertificateType.END_ENTITY
    ]
