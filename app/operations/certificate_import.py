"""Takes on record what the CAs issued and the database does not know, after a restore above all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Conflict, InvalidInput
from app.operations.recorded_signing import recorded_fields
from app.operations.revocation import canonical_serial
from app.pki import distinguished_name
from app.pki.certificate_authority import serial_hex
from app.pki.distribution_points import EVERY_PARTITION, partition_of
from app.pki.end_entity import checked_username
from app.pki.key_identity import public_key_sha256_of
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import is_list_of, reason_of_entry
from app.store.audit_log import Action
from app.store.certificates import CertificateState, CertificateType, StoredCertificate

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

UNKNOWN_HOLDER: Final = "/unknown"
"""No end entity's name holds a slash."""


@dataclass(frozen=True)
class TakenList:
    """What came of a revocation list: its entries, and how many of them were revoked by it; ``unknown`` among these."""

    ca_name: str
    entries: int
    revoked: int
    unknown: int


@dataclass(frozen=True)
class CertificateImport:
    """The acts, each with its audit entry. Only the CA's signature says that a certificate is ours."""

    database: Database
    certificates: CertificateStore
    end_entities: EndEntityStore
    audit: AuditLog
    authorities: Authorities
    now: Callable[[], datetime]

    def take(self, certificate: x509.Certificate, actor: Actor) -> tuple[StoredCertificate, bool]:
        """Put a certificate on record, or its bytes where only these were missing; return its row, and if it changed.

        Raises :class:`InvalidInput` for a certificate that none of the CAs issued to an end entity, and
        :class:`Conflict` when another one with its serial is on record.
        """
        found = self._described(certificate)
        with self.database.transaction():
            known = self.certificates.find(found.ca_name, found.serial)
            if known is not None and known.certificate is not None and known.tbs_sha256 == found.tbs_sha256:
                return known, False
            taken = found if known is None else _completed(known, found)
            self.certificates.put(taken)
            self._audit(taken, actor)
        return taken, True

    def revoke_unknown(self, ca: str, serial: str, reason: RevocationReason, actor: Actor) -> None:
        """Revoke a certificate of which nothing but the serial is known; it stays on the lists as long as the CA lives.

        Raises :class:`Conflict` when it is on record: then it can be revoked as any other.
        """
        if reason in {RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL, RevocationReason.CERTIFICATEHOLD}:
            raise InvalidInput(f"An unknown certificate cannot be {reason.name}, only revoked for good.")
        authority, serial = self.authorities.named(ca), canonical_serial(serial)
        with self.database.transaction():
            if self.certificates.find(authority.name, serial) is not None:
                raise Conflict(f"The certificate {serial} of {authority.name} is on record: revoke it as any other.")
            self._revoke(self._added_by_serial(authority, serial, actor), reason, self.now(), actor)

    def take_list(self, revocation_list: x509.CertificateRevocationList, actor: Actor) -> TakenList:
        """Revoke what one of our lists names and is not revoked here; what is not known here, by its serial.

        Brokers hold the last list that was issued: after a restore it tells of revocations that the backup does not.
        Raises :class:`InvalidInput` for a list that none of the CAs signed.
        """
        authority = issuer_of(revocation_list, self.authorities)
        revoked = unknown = 0
        with self.database.transaction():
            for entry in revocation_list:
                serial, reason = serial_hex(entry.serial_number), reason_of_entry(entry)
                known = self.certificates.find(authority.name, serial)
                if reason is RevocationReason.REMOVEFROMCRL or (known is not None and not _changes(known, reason)):
                    continue
                row = known or self._added_by_serial(authority, serial, actor)
                self._revoke(row, reason, entry.revocation_date_utc, actor)
                revoked += 1
                unknown += known is None
        return TakenList(authority.name, len(revocation_list), revoked, unknown)

    def _described(self, certificate: x509.Certificate) -> StoredCertificate:
        authority = self._issuer(certificate)
        subject_dn = distinguished_name.to_string(certificate.subject)
        return StoredCertificate(
            ca_name=authority.name,
            serial=serial_hex(certificate.serial_number),
            certificate_type=CertificateType.END_ENTITY,
            username=self._holder(authority, certificate.subject, subject_dn),
            subject_dn=subject_dn,
            tbs_sha256=hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest(),
            public_key_sha256=public_key_sha256_of(certificate.public_key()),
            certificate_profile="",
            profile_sha256="",
            not_before=certificate.not_valid_before_utc,
            not_after=certificate.not_valid_after_utc,
            created_at=self.now(),
            state=CertificateState.ISSUED,
            certificate=certificate.public_bytes(Encoding.DER),
            crl_partition=partition_of(certificate),
        )

    def _issuer(self, certificate: x509.Certificate) -> CertificateAuthority:
        authority = next((ca for ca in self.authorities if _is_issuer(ca, certificate)), None)
        subject = certificate.subject.rfc4514_string()[:80]
        if authority is None:
            raise InvalidInput(f"The certificate of {subject} was not issued by a CA of this server.")
        if certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            raise InvalidInput(f"The certificate of {subject} is a CA's, not an end entity's.")
        return authority

    def _holder(self, authority: CertificateAuthority, subject: x509.Name, subject_dn: str) -> str:
        registered = self.end_entities.holder_of_subject(authority.name, subject_dn, other_than="")
        if registered is not None:
            return registered
        try:
            return checked_username(distinguished_name.common_name(subject) or "")
        except InvalidInput:
            return UNKNOWN_HOLDER

    def _revoke(self, row: StoredCertificate, reason: RevocationReason, at: datetime, actor: Actor) -> None:
        self.certificates.change_reason(row.ca_name, row.serial, row.revocation_reason, reason, at)
        details = {"ca": row.ca_name, "serial": row.serial, "reason": reason.name}
        self.audit.append(self.now(), actor.entry(Action.CERTIFICATE_REVOKED, row.username, details))

    def _added_by_serial(self, authority: CertificateAuthority, serial: str, actor: Actor) -> StoredCertificate:
        now = self.now()
        row = StoredCertificate(
            ca_name=authority.name,
            serial=serial,
            certificate_type=CertificateType.END_ENTITY,
            username=UNKNOWN_HOLDER,
            subject_dn="",
            tbs_sha256=f"unknown {authority.name} {serial}",
            public_key_sha256="",
            certificate_profile="",
            profile_sha256="",
            not_before=now,
            not_after=authority.certificate.not_valid_after_utc,
            created_at=now,
            state=CertificateState.ORPHAN,  # perhaps signed, and so revoked
            crl_partition=EVERY_PARTITION,  # how many there were when it was issued is not known either
        )
        self.certificates.add(row)
        self._audit(row, actor)
        return row

    def _audit(self, row: StoredCertificate, actor: Actor) -> None:
        details = {"ca": row.ca_name, "serial": row.serial, "tbs_sha256": row.tbs_sha256, "state": str(row.state)}
        entry = actor.entry(Action.CERTIFICATE_IMPORTED, row.username, details | recorded_fields(row))
        self.audit.append(self.now(), entry)


def _is_issuer(authority: CertificateAuthority, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def issuer_of(revocation_list: x509.CertificateRevocationList, authorities: Authorities) -> CertificateAuthority:
    """Return the CA whose list it is; raise :class:`InvalidInput` for one that none of them signed."""
    found = next((authority for authority in authorities if is_list_of(authority, revocation_list)), None)
    if found is None:
        raise InvalidInput("The list was not signed by a CA of this server.")
    return found


def _changes(known: StoredCertificate, reason: RevocationReason) -> bool:
    """Return whether a list tells something new of a certificate: that it is revoked, or no longer just on hold."""
    may_change = {RevocationReason.NOTREVOKED, RevocationReason.CERTIFICATEHOLD} - {reason}
    return known.revocation_reason in may_change


def _completed(known: StoredCertificate, found: StoredCertificate) -> StoredCertificate:
    """Return the row of which something was missing, with what the certificate itself says."""
    if known.tbs_sha256 == found.tbs_sha256:
        return replace(known, state=CertificateState.ISSUED, certificate=found.certificate, tbs=None)
    if known.username != UNKNOWN_HOLDER:
        raise Conflict(f"Another certificate with the serial {found.serial} of {found.ca_name} is on record.")
    return replace(
        found,
        revoked_at=known.revoked_at,
        revocation_reason=known.revocation_reason,
        revocation_revision=known.revocation_revision,
    )
