"""Revokes single certificates, puts them on hold and releases them; tells their status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from app.errors import InvalidInput, NotAllowed, UnknownCertificate
from app.pki import revocation
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action
from app.store.certificates import CertificateType

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore, StoredCertificate
    from app.store.database import Database

_SERIAL: Final = re.compile(r"[0-9A-Fa-f]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Revocation:
    """Acts on one certificate, named by its CA and its serial; another CA's serial never hits."""

    database: Database
    certificates: CertificateStore
    audit: AuditLog
    authorities: Authorities
    now: Callable[[], datetime]

    def find(self, ca: str, serial: str) -> StoredCertificate | None:
        """Return the certificate of the CA (name or DN) with that serial (hex, any case, leading zeros)."""
        return self.certificates.find(self.authorities.named(ca).name, canonical_serial(serial))

    def find_for(self, actor: Actor, ca: str, serial: str) -> StoredCertificate | None:
        """Return the same for a caller of a tenant, to whom another's certificate is one that is not there."""
        stored = self.find(ca, serial)
        return stored if stored is not None and actor.reaches(stored.username) else None

    def change(self, ca: str, serial: str, reason: RevocationReason, actor: Actor, *, correcting: bool = False) -> None:
        """Revoke, hold or release a certificate; raise in EJBCA's words what is not allowed.

        With ``correcting`` one that was revoked for another reason can still become KEYCOMPROMISE; its date stays.
        """
        authority, wanted = self.authorities.named(ca), canonical_serial(serial)
        with self.database.transaction():
            stored = self._existing(authority, wanted, actor)
            if stored.certificate_type is CertificateType.OCSP_RESPONDER:
                raise NotAllowed("The certificate of an OCSP responder is not revoked: it is renewed, and soon ends.")
            if stored.certificate_type is not CertificateType.END_ENTITY:
                raise NotAllowed("The certificate of a CA is not revoked here: take the CA out of use first.")
            old = stored.revocation_reason
            new = revocation.after(old, reason, issuer=authority.subject_dn, serial=wanted, correcting=correcting)
            self.certificates.change_reason(authority.name, wanted, old, new, self.now())
            released = new is RevocationReason.NOTREVOKED
            action = Action.CERTIFICATE_RELEASED if released else Action.CERTIFICATE_REVOKED
            which = {"ca": authority.name, "serial": wanted, "reason": reason.name}
            self.audit.append(self.now(), actor.entry(action, stored.username, which))

    def _existing(self, authority: CertificateAuthority, serial: str, actor: Actor) -> StoredCertificate:
        stored = self.certificates.find(authority.name, serial)
        if stored is None or not actor.reaches(stored.username):
            raise UnknownCertificate(
                f"Could not find end entity certificate. Issuer {authority.subject_dn}, serialNo {serial}."
            )
        return stored


def canonical_serial(text: str) -> str:
    """Return a hexadecimal serial in upper case without leading zeros; raise :class:`InvalidInput` for other text."""
    if not _SERIAL.fullmatch(text):
        raise InvalidInput(f"{text[:80]!r} is no hexadecimal serial number.")
    return f"{int(text, 16):X}"
