"""Certificates: recorded as pending with their exact to-be-signed bytes before the CA key signs, issued after."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Final

from app.pki.revocation import RevocationReason
from app.store.database import columns_of
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from app.store.database import Database, Row


class CertificateState(StrEnum):
    """How far a certificate got: recorded to be signed, signed and stored, or given up (and then revoked)."""

    PENDING = "pending"
    ISSUED = "issued"
    ORPHAN = "orphan"


class CertificateType(IntEnum):
    """EJBCA's certificate types; that of an OCSP responder is midca's own, far from those EJBCA has given out."""

    END_ENTITY = 1
    SUB_CA = 2
    ROOT_CA = 8
    OCSP_RESPONDER = 1001


@dataclass(frozen=True)
class StoredCertificate:
    """A certificate's row. ``tbs`` is there while pending, ``certificate`` (DER) once issued; ``serial`` is hex.

    ``revocation_revision`` is the CA's count of revocations at the last change of this one; ``crl_partition`` that of
    the list its distribution point names, -1 (:data:`app.pki.distribution_points.EVERY_PARTITION`) where nobody knows
    it; ``supersedes`` tells that it takes the place of its holder's earlier ones.
    """

    ca_name: str
    serial: str
    certificate_type: CertificateType
    username: str
    subject_dn: str
    tbs_sha256: str
    public_key_sha256: str
    certificate_profile: str
    profile_sha256: str
    not_before: datetime
    not_after: datetime
    created_at: datetime
    state: CertificateState = CertificateState.PENDING
    tbs: bytes | None = field(default=None, repr=False)
    certificate: bytes | None = field(default=None, repr=False)
    csr_sha256: str | None = None
    revoked_at: datetime | None = None
    revocation_reason: RevocationReason = RevocationReason.NOTREVOKED
    revocation_revision: int = 0
    crl_partition: int | None = None
    supersedes: bool = False

    @property
    def revoked(self) -> bool:
        """True once the certificate is revoked or on hold."""
        return self.revocation_reason is not RevocationReason.NOTREVOKED

    def may_be_used(self, now: datetime) -> bool:
        """True until the certificate ends or is revoked for good; a hold can be taken back."""
        for_good = self.revoked and self.revocation_reason is not RevocationReason.CERTIFICATEHOLD
        return not for_good and self.not_after > now


COLUMNS: Final = columns_of(StoredCertificate)


class CertificateStore:
    """Reads and conditional writes; the writes need an open transaction."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def add(self, certificate: StoredCertificate) -> None:
        """Record a certificate; a serial or TBS that is there already is a :class:`StoreUnavailable`."""
        self._database.insert("certificates", _row(certificate))

    def put(self, certificate: StoredCertificate) -> None:
        """Record a certificate, in the place of what was known by its CA and serial."""
        self._database.execute(
            "DELETE FROM certificates WHERE ca_name = :ca AND serial = :serial",
            ca=certificate.ca_name,
            serial=certificate.serial,
        )
        self.add(certificate)

    def find(self, ca_name: str, serial: str) -> StoredCertificate | None:
        """Return the certificate of that CA and serial (upper-case hex, no leading zeros)."""
        row = self._database.row(
            f"SELECT {COLUMNS} FROM certificates WHERE ca_name = :ca AND serial = :serial",  # noqa: S608 -- a constant # nosec B608
            ca=ca_name,
            serial=serial,
        )
        return from_row(row) if row else None

    def find_serial(self, serial: str) -> list[StoredCertificate]:
        """Return the certificates of any CA with that serial."""
        return self._list("serial = :serial", serial=serial)

    def find_request(self, username: str, csr_sha256: str, since: datetime) -> StoredCertificate | None:
        """Return the newest certificate made for ``username`` from that request since then, or still pending."""
        found = self._list(
            "username = :username AND csr_sha256 = :csr AND (created_at >= :since OR state = 'pending')",
            username=username,
            csr=csr_sha256,
            since=to_text(since),
        )
        return found[-1] if found else None

    def of_user(self, username: str) -> list[StoredCertificate]:
        """Return all certificates of an end entity, oldest first; never those of a CA that goes by the same name."""
        return self._list(
            "username = :username AND certificate_type = :end_entity",
            username=username,
            end_entity=CertificateType.END_ENTITY,
        )

    def own_of_authority(self, name: str) -> StoredCertificate | None:
        """Return the newest certificate that was issued to the CA ``name`` itself."""
        found = self.all_own_of_authority(name)
        return found[-1] if found else None

    def all_own_of_authority(self, name: str) -> list[StoredCertificate]:
        """Return all of them, oldest first: a CA that was renewed has several."""
        return self._list(
            "username = :name AND certificate_type <> :end_entity AND state = :issued",
            name=name,
            end_entity=CertificateType.END_ENTITY,
            issued=CertificateState.ISSUED,
        )

    def keys_of_authority(self, name: str) -> set[str]:
        """Return the SHA-256 of the keys of the CA ``name``: of certificates that are about to be signed, too."""
        rows = self._database.tuples(
            "SELECT public_key_sha256 FROM certificates WHERE username = :name AND certificate_type <> :end_entity "
            "AND state <> :orphan",
            name=name,
            end_entity=CertificateType.END_ENTITY,
            orphan=CertificateState.ORPHAN,
        )
        return {key for (key,) in rows}

    def count_without_bytes(self, now: datetime) -> int:
        """Return how many of end entities are in force, and known by their record alone."""
        row = self._database.row(
            "SELECT count(*) AS number FROM certificates WHERE state = :issued AND certificate IS NULL "
            "AND certificate_type = :end_entity AND revocation_reason = :good AND not_after > :now",
            end_entity=CertificateType.END_ENTITY,
            issued=CertificateState.ISSUED,
            good=RevocationReason.NOTREVOKED,
            now=to_text(now),
        )
        return row["number"] if row else 0

    def pending(self) -> list[StoredCertificate]:
        """Return what was recorded to be signed and is not known to be."""
        return self._list("state = :state", state=CertificateState.PENDING)

    def mark_issued(self, ca_name: str, serial: str, certificate: bytes | None) -> bool:
        """Turn pending into issued with the signed DER, None where that is lost; False when it is pending no more."""
        return self._leave_pending(ca_name, serial, CertificateState.ISSUED, certificate)

    def mark_orphan(self, ca_name: str, serial: str, now: datetime) -> bool:
        """Give up a pending certificate, revoked as it may have been signed; False when it is pending no more."""
        if not self._leave_pending(ca_name, serial, CertificateState.ORPHAN, None):
            return False
        self.revoke(ca_name, serial, RevocationReason.UNSPECIFIED, now)
        return True

    def revoke(self, ca_name: str, serial: str, reason: RevocationReason, now: datetime) -> bool:
        """Revoke a certificate that is good; False when it was not."""
        return self.change_reason(ca_name, serial, RevocationReason.NOTREVOKED, reason, now)

    def change_reason(
        self, ca_name: str, serial: str, old: RevocationReason, new: RevocationReason, now: datetime
    ) -> bool:
        """Put ``new`` in the place of ``old``, and count it among the CA's revocations; False when it was not ``old``.

        A certificate that goes from hold to another reason keeps the date of the hold (RFC 5280 section 5.3.2 dates the
        compromise, the entry's own date is when it was first listed).
        """
        released = new is RevocationReason.NOTREVOKED
        changed = self._database.execute(
            "UPDATE certificates SET revocation_reason = :new, revocation_revision = 1 + coalesce("
            "(SELECT revision FROM revocation_revisions WHERE ca_name = :ca), 0), "
            "revoked_at = CASE WHEN :released = 1 THEN NULL ELSE coalesce(revoked_at, :now) END "
            "WHERE ca_name = :ca AND serial = :serial AND revocation_reason = :old",
            new=new,
            old=old,
            released=int(released),
            now=to_text(now),
            ca=ca_name,
            serial=serial,
        )
        if changed:
            self._database.execute(
                "INSERT INTO revocation_revisions (ca_name, revision) VALUES (:ca, 1) "
                "ON CONFLICT (ca_name) DO UPDATE SET revision = revocation_revisions.revision + 1",
                ca=ca_name,
            )
        return changed == 1

    def supersede(self, certificate: StoredCertificate, now: datetime) -> list[StoredCertificate]:
        """Revoke all other certificates of its holder that are good or on hold; return them as they were."""
        replaced = [
            other
            for other in self.of_user(certificate.username)
            if (other.ca_name, other.serial) != (certificate.ca_name, certificate.serial)
            and other.state is CertificateState.ISSUED
            and other.may_be_used(now)
        ]
        for other in replaced:
            self.change_reason(other.ca_name, other.serial, other.revocation_reason, RevocationReason.SUPERSEDED, now)
        return replaced

    def _leave_pending(self, ca_name: str, serial: str, state: CertificateState, certificate: bytes | None) -> bool:
        changed = self._database.execute(
            "UPDATE certificates SET state = :state, certificate = :certificate, "
            "tbs = CASE WHEN :state = 'issued' THEN NULL ELSE tbs END "
            "WHERE ca_name = :ca AND serial = :serial AND state = :pending",
            state=state,
            certificate=_to_base64(certificate),
            ca=ca_name,
            serial=serial,
            pending=CertificateState.PENDING,
        )
        return changed == 1

    def _list(self, condition: str, **parameters: object) -> list[StoredCertificate]:
        # The conditions are those of this class; every value is a parameter.
        sql = f"SELECT {COLUMNS} FROM certificates WHERE {condition} ORDER BY created_at"  # noqa: S608 # nosec B608
        return [from_row(row) for row in self._database.rows(sql, **parameters)]


def _to_base64(der: bytes | None) -> str | None:
    return None if der is None else base64.b64encode(der).decode()


def _from_base64(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def from_row(row: Row) -> StoredCertificate:
    return StoredCertificate(
        **{
            **row,
            "certificate_type": CertificateType(row["certificate_type"]),
            "state": CertificateState(row["state"]),
            "tbs": _from_base64(row["tbs"]),
            "certificate": _from_base64(row["certificate"]),
            "not_before": from_text(row["not_before"]),
            "not_after": from_text(row["not_after"]),
            "created_at": from_text(row["created_at"]),
            "revoked_at": from_text(row["revoked_at"]) if row["revoked_at"] else None,
            "revocation_reason": RevocationReason(row["revocation_reason"]),
            "supersedes": bool(row["supersedes"]),
        }
    )


def _row(certificate: StoredCertificate) -> Row:
    return {
        **vars(certificate),
        "certificate_type": int(certificate.certificate_type),
        "state": str(certificate.state),
        "tbs": _to_base64(certificate.tbs),
        "certificate": _to_base64(certificate.certificate),
        "not_before": to_text(certificate.not_before),
        "not_after": to_text(certificate.not_after),
        "created_at": to_text(certificate.created_at),
        "revoked_at": to_text(certificate.revoked_at) if certificate.revoked_at else None,
        "revocation_reason": int(certificate.revocation_reason),
        "supersedes": int(certificate.supersedes),
    }
