"""Whether a CA, or one above it, was revoked: verifiers refuse all that it certifies from then on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.errors import SigningUnavailable
from app.store.certificate_standing import revoked_authorities

if TYPE_CHECKING:
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.database import Database


def check_not_revoked(database: Database, authority: CertificateAuthority) -> None:
    """Raise :class:`SigningUnavailable` when the CA or one above it was revoked; one statement, at every enrolment."""
    revoked = revoked_authorities(database, authority.path)
    for name in authority.path:
        if name in revoked:
            which = "Signing CA" if name == authority.name else f"CA {name} above the signing CA"
            raise SigningUnavailable(f"{which} {authority.name} was revoked by its issuer.")
