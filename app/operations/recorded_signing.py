"""Nothing is signed that is not recorded: the one way to a certificate, for devices and for CAs alike."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization

from app.errors import Conflict, Refusal, StoreUnavailable, WrongStatus
from app.operations.actor import SYSTEM
from app.pki.certificate_authority import serial_hex
from app.pki.distinguished_name import usual_subject
from app.pki.key_identity import public_key_sha256_of
from app.store.audit_log import Action
from app.store.certificates import CertificateState, CertificateType, StoredCertificate
from app.store.times import to_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography import x509

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.pki.certificate_template import CertificateTemplate, Particulars
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

_log = logging.getLogger("midca")


@dataclass(frozen=True)
class Subject:
    """For whom a certificate is: an end entity or a CA, and the request it came with."""

    username: str
    certificate_type: CertificateType
    csr_sha256: str | None = None


@dataclass(frozen=True)
class RecordedSigning:
    """Two durable transactions around every signature.

    The first holds the exact to-be-signed bytes and whatever the signature spends (a one-time password); the second
    holds the certificate. A crash between them leaves a ``pending`` row, which :meth:`settle` finishes.
    """

    database: Database
    certificates: CertificateStore
    end_entities: EndEntityStore
    audit: AuditLog
    now: Callable[[], datetime]

    def recorder(
        self,
        row: Callable[[bytes], StoredCertificate],
        claim: Callable[[], None],
        actor: Actor,
    ) -> Callable[[bytes], None]:
        """Return what records the bytes before the key signs them: ``claim`` and the row, or neither."""

        def record(tbs: bytes) -> None:
            pending = row(tbs)
            with self.database.transaction():
                claim()
                self.certificates.add(pending)
                self._audit(Action.CERTIFICATE_PENDING, pending, actor, recorded_fields(pending))

        return record

    def pending_row(
        self, ca_name: str, template: CertificateTemplate, particulars: Particulars, subject: Subject
    ) -> Callable[[bytes], StoredCertificate]:
        """Return what makes the pending row of a template once its to-be-signed bytes are known."""

        def row(tbs: bytes) -> StoredCertificate:
            return StoredCertificate(
                ca_name=ca_name,
                serial=serial_hex(particulars.serial),
                certificate_type=subject.certificate_type,
                username=subject.username,
                subject_dn=template.subject_dn,
                tbs=tbs,
                tbs_sha256=hashlib.sha256(tbs).hexdigest(),
                csr_sha256=subject.csr_sha256,
                public_key_sha256=public_key_sha256_of(template.public_key),
                certificate_profile=template.profile,
                profile_sha256=template.profile_sha256,
                not_before=particulars.not_before,
                not_after=particulars.not_after,
                created_at=self.now(),
                crl_partition=particulars.crl_partition,
                supersedes=template.supersedes,
            )

        return row

    def store_signed(self, ca_name: str, certificate: x509.Certificate, actor: Actor) -> StoredCertificate:
        """Record that the pending certificate is signed, and return the row whose certificate may leave the process.

        Raises :class:`WrongStatus` when it was revoked while it was being signed.
        """
        serial = serial_hex(certificate.serial_number)
        with self.database.transaction():
            der = certificate.public_bytes(serialization.Encoding.DER)
            if self.certificates.mark_issued(ca_name, serial, der):
                stored = self._find(ca_name, serial)
                self.end_entities.finish(stored.username, serial, self.now())
                self._audit(Action.CERTIFICATE_ISSUED, stored, actor)
                if stored.supersedes and not stored.revoked:  # else it is not handed out, and takes nobody's place
                    self._supersede(stored, actor)
            else:  # another process settled it first: what it stored is the certificate
                stored = self._find(ca_name, serial)
        return self._good(stored)

    def store_imported(
        self, row: StoredCertificate, certificate: x509.Certificate, actor: Actor, details: Mapping[str, object]
    ) -> None:
        """Record a certificate that a key elsewhere signed, unless it is on record already.

        Of one that a restore knows by the log alone, this puts the bytes on record. Raises :class:`Conflict` when the
        one on record is another, or is revoked.
        """
        der = certificate.public_bytes(serialization.Encoding.DER)
        stored = self.certificates.find(row.ca_name, row.serial)
        if stored is not None and (stored.tbs_sha256 != row.tbs_sha256 or stored.revoked):
            raise Conflict(f"The certificate {row.serial} on record is another one, or is revoked.")
        if stored is not None and stored.certificate is not None:
            return
        told = {**details, **recorded_fields(row)}
        with self.database.transaction():
            if stored is not None:
                self.certificates.put(replace(stored, certificate=der))
                self._audit(Action.CERTIFICATE_IMPORTED, stored, actor, told | {"state": str(stored.state)})
                return
            self.certificates.add(row)
            self._audit(Action.CERTIFICATE_PENDING, row, actor, told)
            self.certificates.mark_issued(row.ca_name, row.serial, der)
            self._audit(Action.CERTIFICATE_ISSUED, row, actor, details)

    def settle(self, pending: StoredCertificate, authorities: Authorities, actor: Actor = SYSTEM) -> StoredCertificate:
        """Finish a pending certificate from its recorded bytes.

        It is signed again if its end entity still waits for it; else (re-armed, revoked or deleted since) it is given
        up and revoked, for a signature may have been made. Raises :class:`Conflict` in that case.
        """
        entity = self.end_entities.find(pending.username)
        waited_for = entity is not None and entity.claimed_by == pending.serial
        if pending.certificate_type is CertificateType.END_ENTITY and waited_for and pending.tbs is not None:
            authority = authorities.named(pending.ca_name)
            return self.store_signed(pending.ca_name, authority.sign_recorded(pending.tbs), actor)
        with self.database.transaction():
            given_up = self.certificates.mark_orphan(pending.ca_name, pending.serial, self.now())
            if given_up:
                self._audit(Action.CERTIFICATE_ORPHAN, pending, actor)
        if not given_up:  # whoever was signing it has finished meanwhile
            return self._good(self._find(pending.ca_name, pending.serial))
        raise Conflict(f"The certificate {pending.serial} was given up; nobody waits for it any more.")

    def settle_all(self, authorities: Authorities) -> int:
        """Settle every pending certificate, whoever left it; return how many there were.

        One that another process is signing just now is settled by both with the same bytes; the first to store it wins.
        """
        pending = self.certificates.pending()
        for certificate in pending:
            try:
                self.settle(certificate, authorities)
            except StoreUnavailable:
                raise
            except Refusal as refusal:
                _log.warning("pending certificate %s: %s", certificate.serial, refusal)
            except Exception:  # noqa: BLE001 -- one row must not decide whether the CA starts
                _log.exception("pending certificate %s cannot be finished", certificate.serial)
        return len(pending)

    def _supersede(self, stored: StoredCertificate, actor: Actor) -> None:
        """Take the holder's earlier certificates out of use, now that there is one in their place."""
        for replaced in self.certificates.supersede(stored, self.now()):
            details = {"ca": replaced.ca_name, "serial": replaced.serial, "reason": "SUPERSEDED"}
            details["superseded_by"] = stored.serial
            self.audit.append(self.now(), actor.entry(Action.CERTIFICATE_REVOKED, stored.username, details))

    def _good(self, stored: StoredCertificate) -> StoredCertificate:
        if stored.state is not CertificateState.ISSUED or stored.revoked:
            raise WrongStatus(f"The certificate {stored.serial} was revoked while it was being issued.")
        return stored

    def _find(self, ca_name: str, serial: str) -> StoredCertificate:
        stored = self.certificates.find(ca_name, serial)
        if stored is None:
            raise Conflict(f"The certificate {serial} of {ca_name} was never recorded.")
        return stored

    def _audit(
        self, action: Action, certificate: StoredCertificate, actor: Actor, more: Mapping[str, object] | None = None
    ) -> None:
        details: dict[str, object] = {
            **(more or {}),
            "ca": certificate.ca_name,
            "serial": certificate.serial,
            "tbs_sha256": certificate.tbs_sha256,
            "csr_sha256": certificate.csr_sha256,
            "profile": certificate.certificate_profile,
            "profile_sha256": certificate.profile_sha256,
        }
        self.audit.append(self.now(), actor.entry(action, certificate.username, details))


def recorded_fields(certificate: StoredCertificate) -> dict[str, object]:
    """Return what of a certificate's row an entry of the log keeps, so that a restore can make the row again.

    What most certificates have alike is left out: a verification reads millions of entries.
    """
    fields: dict[str, object] = {
        "public_key_sha256": certificate.public_key_sha256,
        "not_after": to_text(certificate.not_after),
    }
    if certificate.certificate_type is not CertificateType.END_ENTITY:
        fields["type"] = int(certificate.certificate_type)
    if certificate.subject_dn != usual_subject(certificate.username):
        fields["subject"] = certificate.subject_dn
    if certificate.crl_partition is not None:
        fields["crl_partition"] = certificate.crl_partition
    return fields
