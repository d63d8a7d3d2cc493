"""Renewal by certificate: an end entity shows the one it has, in the place of a password (RFC 7030 section 4.2.2)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cryptography import x509

from app.errors import InvalidInput, NotAuthenticated, Refusal, WrongStatus
from app.operations.client_certificates import check_dates, read_certificate
from app.operations.enrolment import check_may_enrol
from app.operations.issuance import IssuedCertificate, LostTheRace
from app.pki.certificate_authority import serial_hex
from app.pki.certification_request import CertificationRequest
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.store.certificates import CertificateState, CertificateType

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.issuance import Issuance
    from app.pki.end_entity import EndEntity
    from app.store.certificates import StoredCertificate


@dataclass(frozen=True)
class Holder:
    """An end entity, and the certificate of its that was shown."""

    username: str
    certificate: x509.Certificate


@dataclass(frozen=True)
class Reenrolment:
    """Lets the holder of a good certificate get the next one, when its profile lets certificates be renewed.

    What a password may do near a certificate's end (``renewal_window``, MIDCA_REENROL), the certificate may too, and no
    more: else whoever copied a device's key once could renew it for ever.
    """

    issuance: Issuance

    def holder(self, shown: str) -> Holder:
        """Return whose certificate ``shown`` (PEM) is, good or not.

        Whoever ends TLS has verified that the caller has its key. Raises :class:`NotAuthenticated` unless this CA
        issued it, to an end entity.
        """
        certificate = read_certificate(shown)
        return Holder(self._stored(certificate).username, certificate)

    def issue(
        self, holder: Holder, csr: str, actor: Actor, look: Callable[[CertificationRequest], None] = lambda _: None
    ) -> IssuedCertificate:
        """Return a certificate for the holder from ``csr`` (base64 of DER, or PEM), which ``look`` may refuse.

        Raises :class:`NotAuthenticated` unless the certificate that was shown is good, and a :class:`Refusal` as
        :meth:`Issuance.issue` does. A renewal whose answer was lost gives the same certificate to the same request,
        although the one that is shown was superseded by it.
        """
        actor = replace(actor, name=holder.username, how="entity certificate")
        try:
            request = CertificationRequest.from_text(csr)
            look(request)
            _check_same_names(request, holder.certificate)
            try:
                return self._issue(holder, request, actor)
            except LostTheRace:  # the winner may have brought the same request, so look again
                return self._issue(holder, request, actor)
        except Refusal as refusal:
            self.issuance.record_refusal(holder.username, refusal, actor)
            raise

    def _issue(self, holder: Holder, request: CertificationRequest, actor: Actor) -> IssuedCertificate:
        entity = self.issuance.signing.end_entities.find(holder.username)
        if entity is None:
            raise NotAuthenticated(f"There is no end entity {holder.username} any more.")
        self._check_good(holder.certificate, superseded=True)

        def check(entity: EndEntity) -> None:
            self._check_good(holder.certificate, superseded=False)
            self._check_may_renew(entity)

        return self.issuance.issue_to(entity, request, None, actor, check)

    def _stored(self, certificate: x509.Certificate) -> StoredCertificate:
        # By the bytes that were signed: of one that came back with a restore nothing else is known.
        tbs_sha256 = hashlib.sha256(certificate.tbs_certificate_bytes).hexdigest()
        for stored in self.issuance.signing.certificates.find_serial(serial_hex(certificate.serial_number)):
            if (
                stored.tbs_sha256 == tbs_sha256
                and stored.certificate_type is CertificateType.END_ENTITY
                and stored.state is CertificateState.ISSUED
            ):
                return stored
        raise NotAuthenticated("The client certificate is not one that this CA issued to an end entity.")

    def _check_good(self, certificate: x509.Certificate, *, superseded: bool) -> None:
        """Raise unless the certificate is good now; one that another took the place of is, with ``superseded``."""
        check_dates(certificate, self.issuance.now())
        stored = self._stored(certificate)
        if stored.revoked and not (superseded and stored.revocation_reason is RevocationReason.SUPERSEDED):
            raise NotAuthenticated("The client certificate is revoked.")

    def _check_may_renew(self, entity: EndEntity) -> None:
        if entity.may_enrol:  # the password that waits is not this caller's to spend
            raise WrongStatus(f"The end entity {entity.username} was registered anew, and enrols with its password.")
        again = self.issuance.may_enrol_again(entity)
        if entity.status is EndEntityStatus.GENERATED and not again:
            raise WrongStatus(
                f"The certificate of {entity.username} is not to be renewed now: the certificate profile "
                f"{entity.certificate_profile} says when, if at all (renewal_window)."
            )
        check_may_enrol(entity, again=again)


def _check_same_names(request: CertificationRequest, certificate: x509.Certificate) -> None:
    """Raise unless subject and alternative names are those of the certificate (RFC 7030 section 4.2.2)."""
    if request.requested_subject != certificate.subject:
        raise InvalidInput(
            f"The request's subject must be the certificate's, {certificate.subject.rfc4514_string()}, to renew it."
        )
    if _alternative_names(request.extensions) != _alternative_names(certificate.extensions):
        raise InvalidInput("The request's alternative names must be the certificate's, to renew it.")


def _alternative_names(extensions: x509.Extensions) -> frozenset[x509.GeneralName]:
    try:
        return frozenset(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return frozenset()
