"""Asks an offline key for certificates, and installs what it signed: of a CA below it, or of its OCSP responder.

A CA keeps its key and its name, so all that it issued stays good. A responder gets a new key each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes

from app.errors import Conflict, InvalidInput, NotAllowed
from app.operations.recorded_signing import RecordedSigning, Subject
from app.pki.certificate_authority import fingerprint, serial_hex
from app.pki.certificate_template import Particulars
from app.pki.distribution_points import ALL
from app.pki.ocsp_responder import OcspResponder, generate_key, is_for_responder, responder_template
from app.pki.write_ahead_key import hash_for, write_ahead_key
from app.store.audit_log import Action
from app.store.certificates import CertificateType, StoredCertificate
from app.store.revocation_lists import ListName

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.files.responder_files import ResponderFiles
    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.ceremony_record import CeremonialFile
    from app.operations.hierarchy import Hierarchy
    from app.operations.turn import Turn
    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.certificate_template import CertificateTemplate
    from app.store.revocation_lists import RevocationListStore

_CLOCKS_DIFFER: Final = timedelta(minutes=5)
_OF_THE_ISSUER: Final = frozenset(
    {
        x509.AuthorityKeyIdentifier.oid,
        x509.CRLDistributionPoints.oid,
        x509.FreshestCRL.oid,
        x509.AuthorityInformationAccess.oid,
    }
)


@dataclass(frozen=True)
class AuthorityRenewal:
    """Both halves of what a server does about a ceremony. ``turn`` is that of who writes a responder's file."""

    hierarchy: Hierarchy
    authorities: Authorities
    responders: ResponderFiles
    signing: RecordedSigning
    lists: RevocationListStore
    now: Callable[[], datetime]
    turn: Turn

    def request(self, name: str, actor: Actor) -> x509.CertificateSigningRequest:
        """Return a request for a new certificate of a CA, signed by the key it has."""
        authority = self.authorities.named(name)
        self._issuer(authority)

        def record(to_be_signed: bytes) -> None:
            sha256 = hashlib.sha256(to_be_signed).hexdigest()
            self._audit(Action.CA_REQUESTED, authority.name, actor, tbs_sha256=sha256)

        return _request(authority.certificate.subject, authority.signing_key(), record)

    def renew(self, name: str, actor: Actor) -> x509.Certificate:
        """Give a CA a new certificate by an issuer whose key is here; return it."""
        authority = self.authorities.named(name)
        declared = self.hierarchy.named(authority.name)
        if declared.issuer is None:
            raise NotAllowed(f"CA {authority.name} is a root: nobody above it signs its certificate.")
        if self.authorities.named(declared.issuer).offline:
            raise NotAllowed(f"The key of {declared.issuer} is offline: ask it by midca ca request {authority.name}.")
        certificate = self.hierarchy.certify(declared, authority.signing_key(), actor)
        self.hierarchy.files.renew_certificate(authority.name, certificate)
        return certificate

    def request_responder(self, name: str, actor: Actor) -> x509.CertificateSigningRequest:
        """Return a request for the certificate of a new OCSP responder of a CA whose key is offline."""
        authority = self._offline(name)
        with self.turn.held():
            key = self.responders.next_key(authority.name)
            if key is None:
                key = generate_key()
                self.responders.save_next_key(authority.name, key)
        self._audit(Action.CA_REQUESTED, f"{authority.name}/OCSP", actor)
        return _request(self._responder_template(authority, key).subject, key, lambda _: None)

    def install(self, name: str, file: CeremonialFile, actor: Actor) -> x509.Certificate:
        """Install the certificate that a ceremony signed for a CA or, if it is for that, its OCSP responder.

        Raises :class:`InvalidInput` with what is wrong with it, and :class:`Conflict` when it is revoked.
        """
        authority = self.authorities.named(name)
        try:
            certificate = x509.load_pem_x509_certificate(file.pem)
            constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        except (ValueError, x509.ExtensionNotFound) as error:
            raise InvalidInput("The file holds no certificate of a CA or an OCSP responder in PEM.") from error
        if constraints.ca:
            self._install_authority(authority, certificate, file, actor)
        elif not is_for_responder(certificate):
            raise InvalidInput("The certificate is neither one of a CA nor one of an OCSP responder.")
        else:
            with self.turn.held():
                self._install_responder(authority, certificate, file, actor)
        return certificate

    def _install_authority(
        self, authority: CertificateAuthority, certificate: x509.Certificate, file: CeremonialFile, actor: Actor
    ) -> None:
        declared, issuer = self.hierarchy.named(authority.name), self._issuer(authority)
        profile = self.hierarchy.profiles.for_authority(declared.name, declared.profile)
        template = declared.template(profile, authority.certificate.public_key())
        problems = [
            *_problems(certificate, template, issuer, self.now()),
            *declared.contradictions(certificate, issuer.certificate),
        ]
        if problems:
            raise InvalidInput(f"The certificate is not one for CA {authority.name}: {'; '.join(problems)}.")
        self._check_not_listed(issuer, certificate)
        if certificate.not_valid_after_utc < authority.certificate.not_valid_after_utc:
            raise Conflict(f"The certificate ends before the one that is there ({fingerprint(authority.certificate)}).")
        row = self._row(issuer, certificate, template, Subject(authority.name, CertificateType.SUB_CA))
        self.signing.store_imported(row, certificate, actor, _evidence(certificate, file))
        self.hierarchy.files.renew_certificate(authority.name, certificate)

    def _install_responder(
        self, authority: CertificateAuthority, certificate: x509.Certificate, file: CeremonialFile, actor: Actor
    ) -> None:
        self._offline(authority.name)
        key = self.responders.next_key(authority.name)
        if key is None:
            raise Conflict(f"No certificate was asked for: midca ca request {authority.name} --ocsp.")
        template = self._responder_template(authority, key)
        if problems := _problems(certificate, template, authority, self.now()):
            raise InvalidInput(f"The certificate is not one for that OCSP responder: {'; '.join(problems)}.")
        self._check_not_listed(authority, certificate)
        subject = Subject(f"{authority.name}/OCSP", CertificateType.OCSP_RESPONDER)
        row = self._row(authority, certificate, template, subject)
        self.signing.store_imported(row, certificate, actor, _evidence(certificate, file))
        self.responders.save(authority.name, OcspResponder(certificate, key))

    def _check_not_listed(self, issuer: CertificateAuthority, certificate: x509.Certificate) -> None:
        """Refuse what the issuer's newest list names: this machine may never have heard of the certificate before."""
        newest, serial = self.lists.latest(ListName(issuer.name, ALL)), certificate.serial_number
        if newest and x509.load_der_x509_crl(newest.crl).get_revoked_certificate_by_serial_number(serial):
            raise Conflict(f"The certificate {serial_hex(serial)} is revoked: list {newest.number} of its CA names it.")

    def _responder_template(
        self, authority: CertificateAuthority, key: ec.EllipticCurvePrivateKey
    ) -> CertificateTemplate:
        return responder_template(authority, self.hierarchy.profiles.for_responders, key.public_key())

    def _row(
        self,
        issuer: CertificateAuthority,
        certificate: x509.Certificate,
        template: CertificateTemplate,
        subject: Subject,
    ) -> StoredCertificate:
        particulars = Particulars(
            certificate.serial_number, certificate.not_valid_before_utc, certificate.not_valid_after_utc
        )
        row = self.signing.pending_row(issuer.name, template, particulars, subject)
        return row(certificate.tbs_certificate_bytes)

    def _issuer(self, authority: CertificateAuthority) -> CertificateAuthority:
        """Return who signs the CA's certificate, elsewhere."""
        issuer = self.hierarchy.named(authority.name).issuer
        if issuer is None:
            raise NotAllowed(f"CA {authority.name} is a root: nobody above it signs its certificate.")
        found = self.authorities.named(issuer)
        if not found.offline:
            raise NotAllowed(f"The key of {issuer} is here: midca ca renew {authority.name} does it in one step.")
        return found

    def _offline(self, name: str) -> CertificateAuthority:
        authority = self.authorities.named(name)
        if not authority.offline:
            raise NotAllowed(f"The key of CA {authority.name} is here: its OCSP responder renews itself.")
        return authority

    def _audit(self, action: Action, name: str, actor: Actor, **details: object) -> None:
        with self.signing.database.transaction():
            self.signing.audit.append(self.now(), actor.entry(action, name, details))


def _evidence(certificate: x509.Certificate, file: CeremonialFile) -> dict[str, object]:
    """Return what the audit log says of a certificate that was signed elsewhere."""
    sha256 = certificate.fingerprint(hashes.SHA256()).hex()
    return {"certificate_sha256": sha256, "ceremony_sha256": file.record_sha256}


def _request(
    subject: x509.Name, key: CertificateIssuerPrivateKeyTypes, record: Callable[[bytes], None]
) -> x509.CertificateSigningRequest:
    builder = x509.CertificateSigningRequestBuilder(subject)
    return builder.sign(write_ahead_key(key, record), hash_for(key, hashes.SHA256()))


def _problems(
    certificate: x509.Certificate, template: CertificateTemplate, issuer: CertificateAuthority, now: datetime
) -> list[str]:
    """Return what keeps the certificate from being what the issuer makes of the template, dates apart."""
    problems = []
    try:
        certificate.verify_directly_issued_by(issuer.certificate)
    except (InvalidSignature, ValueError, TypeError):
        problems.append(f"it is not signed by {issuer.name}")
    if certificate.public_key() != template.public_key:
        problems.append("its key is another one")
    if certificate.subject != template.subject:
        problems.append("its subject is another one")
    if not certificate.not_valid_before_utc <= now + _CLOCKS_DIFFER or now >= certificate.not_valid_after_utc:
        problems.append("it is not valid now")
    found = {extension.oid: extension for extension in certificate.extensions}
    problems += [
        f"its extension {extension.oid.dotted_string} is not as declared"
        for extension in template.extensions
        if found.pop(extension.oid, None) != extension
    ]
    problems += [f"it has an extension {oid.dotted_string}" for oid in found.keys() - _OF_THE_ISSUER]
    return problems
