"""Takes over the revocation lists that an offline key signed, once they are seen to be what they should be."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Conflict, InvalidInput, NotAllowed
from app.pki.certificate_authority import serial_hex
from app.pki.distribution_points import ALL, POINT, ListKind, ListScope
from app.pki.revocation_list import is_list_of, lists_from_pem, reason_of_entry
from app.store.audit_log import Action
from app.store.revocation_lists import ListDates, ListName

if TYPE_CHECKING:
    from app.operations.actor import Actor
    from app.operations.ceremony_record import CeremonialFile
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore
    from app.store.database import Database
    from app.store.revocation_lists import RevocationListStore
    from app.store.revoked_certificates import RevokedCertificates

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_KNOWN: Final = frozenset(
    {
        x509.AuthorityKeyIdentifier.oid,
        x509.CRLNumber.oid,
        x509.IssuingDistributionPoint.oid,
        x509.IssuerAlternativeName.oid,
    }
)


@dataclass(frozen=True)
class ListImport:
    """Makes each imported list the newest of its name, and revokes here what they name."""

    database: Database
    store: RevocationListStore
    certificates: CertificateStore
    revoked: RevokedCertificates
    audit: AuditLog
    now: Callable[[], datetime]

    def take(self, authority: CertificateAuthority, file: CeremonialFile, actor: Actor) -> int:
        """Take over the lists of a CA whose key is offline; return their number.

        Raises :class:`InvalidInput` for what is no good list of the CA, :class:`Conflict` for one that is older than
        the newest or takes a revocation back.
        """
        if not authority.offline:
            raise NotAllowed(f"The key of CA {authority.name} is here: its lists are made here too.")
        try:
            lists = {self._scope(authority, each): each for each in lists_from_pem(file.pem)}
        except ValueError as error:
            raise InvalidInput("The file holds no revocation list in PEM.") from error
        if ALL not in lists:
            raise InvalidInput("The list that covers all certificates of the CA is missing.")
        self._check_point(authority, lists)
        for each in lists.values():
            self._check(authority, each)
        number, listed = _number(lists[ALL]), _serials(lists[ALL])
        if any((_number(each), _serials(each)) != (number, listed) for each in lists.values()):
            raise InvalidInput("The lists differ in their number or in what they name.")
        with self.database.transaction():
            for each in lists.values():
                self.store.forget_lost(_tbs_sha256(each))  # after a restore: the log tells of it, and it was not here
            self._check_goes_on(authority, number, listed)
            for entry in lists[ALL]:
                self._revoke(authority, entry, actor)
            revision = self._shown(authority, listed)
            for scope, each in lists.items():
                self._store(ListName(authority.name, scope), each, revision, file, actor)
        return number

    def _scope(self, authority: CertificateAuthority, each: x509.CertificateRevocationList) -> ListScope:
        """Return whether the list is that of the URLs that certificates name, or of all; no other is taken."""
        try:
            found = each.extensions
        except ValueError as error:
            raise InvalidInput("An extension of the list cannot be read.") from error
        for extension in found:
            if extension.oid not in _KNOWN:
                raise InvalidInput(f"The list has an extension that no list here has: {extension.oid.dotted_string}.")
        points = [extension for extension in found if extension.oid == x509.IssuingDistributionPoint.oid]
        if not points:
            return ALL
        if authority.points is None or points != list(authority.points.of_list(POINT, ListKind.COMPLETE)):
            raise InvalidInput("The list is that of other URLs than MIDCA_PUBLIC_URL says here.")
        return POINT

    def _check_point(self, authority: CertificateAuthority, lists: Collection[ListScope]) -> None:
        """Refuse lists without that of the URLs that certificates name: there the old one would go on for a year."""
        served = self.store.dates(ListName(authority.name, POINT)) is not None
        if POINT not in lists and (served or authority.points is not None):
            again = "" if authority.points else " Set it here again: there are certificates that name it."
            raise InvalidInput(
                "The list of the URLs that certificates name is missing: hold the ceremony with the server's "
                f"MIDCA_PUBLIC_URL.{again}"
            )

    def _check(self, authority: CertificateAuthority, each: x509.CertificateRevocationList) -> None:
        if not is_list_of(authority, each):
            raise InvalidInput(f"The list is not signed by CA {authority.name}.")
        if each.last_update_utc > self.now() + _CLOCKS_DIFFER:
            raise InvalidInput("The list is not good yet: one of the two clocks is wrong.")
        if each.next_update_utc is None or each.next_update_utc <= self.now():
            raise InvalidInput("The list has run out.")

    def _check_goes_on(self, authority: CertificateAuthority, number: int, listed: set[int]) -> None:
        highest = self.store.highest_number_on_record(authority.name)
        if number <= highest:
            raise Conflict(f"The list has the number {number}, there is one with {highest} already.")
        before = self.store.latest(ListName(authority.name, ALL))
        if before is not None and (taken_back := _serials(x509.load_der_x509_crl(before.crl)) - listed):
            raise Conflict(
                f"The list takes back the revocation of {serial_hex(min(taken_back))}, which the list {before.number} "
                "names: was it made with an old copy of the medium?"
            )

    def _revoke(self, authority: CertificateAuthority, entry: x509.RevokedCertificate, actor: Actor) -> None:
        """Revoke on record what the list names. One that this machine never heard of is the list's alone."""
        serial, reason = serial_hex(entry.serial_number), reason_of_entry(entry)
        if self.certificates.find(authority.name, serial) is None:
            return
        if self.certificates.revoke(authority.name, serial, reason, entry.revocation_date_utc):
            stored = self.certificates.find(authority.name, serial)
            which = {"ca": authority.name, "serial": serial, "reason": reason.name}
            if stored is not None:
                self.audit.append(self.now(), actor.entry(Action.CERTIFICATE_REVOKED, stored.username, which))

    def _shown(self, authority: CertificateAuthority, listed: set[int]) -> int:
        """Return up to which revision the list shows all that is revoked on record."""
        missing = [
            found.revocation_revision
            for revoked in self.revoked.changed(authority.name, since_revision=0, ended_before=self.now())
            if revoked.revoked_at is not None and revoked.serial not in listed
            if (found := self.certificates.find(authority.name, serial_hex(revoked.serial))) is not None
        ]
        return min([self.store.revision(authority.name), *(revision - 1 for revision in missing)])

    def _store(
        self,
        name: ListName,
        each: x509.CertificateRevocationList,
        revision: int,
        file: CeremonialFile,
        actor: Actor,
    ) -> None:
        tbs_sha256, number = _tbs_sha256(each), _number(each)
        end = each.next_update_utc or self.now()
        self.store.add_pending(name, ListDates(number, revision, each.last_update_utc, end), tbs_sha256)
        self.store.mark_issued(name, tbs_sha256, each.public_bytes(Encoding.DER))
        which: dict[str, object] = {"ca": name.ca_name, "scope": str(name.scope), "kind": str(name.kind)}
        which |= {"number": number, "tbs_sha256": tbs_sha256}
        self.audit.append(self.now(), actor.entry(Action.CRL_PENDING, name.ca_name, which))
        which |= {"entries": len(each), "ceremony_sha256": file.record_sha256}
        self.audit.append(self.now(), actor.entry(Action.CRL_ISSUED, name.ca_name, which))


def _number(each: x509.CertificateRevocationList) -> int:
    try:
        return each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound as error:
        raise InvalidInput("The list has no number.") from error


def _tbs_sha256(each: x509.CertificateRevocationList) -> str:
    return hashlib.sha256(each.tbs_certlist_bytes).hexdigest()


def _serials(each: x509.CertificateRevocationList) -> set[int]:
    return {entry.serial_number for entry in each}
