"""A delegated OCSP responder (RFC 6960 section 4.2.2.2): who signs answers in the place of its CA."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.errors import InvalidInput
from app.pki.distinguished_name import common_name
from app.pki.enrolment_request import EnrolmentRequest

if TYPE_CHECKING:
    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.certificate_template import CertificateTemplate

RESPONDER_PROFILE: Final = "ocsp-responder"
_OFFLINE_VALIDITY: Final = timedelta(days=366)  # from one ceremony to the next, whatever the profile says
_SUFFIX: Final = " OCSP"
_MAX_COMMON_NAME: Final = 64  # ub-common-name, RFC 5280 appendix A.1


@dataclass(frozen=True, eq=False)
class OcspResponder:
    """A responder's key and the certificate its CA gave it. Each object is a responder of its own in a cache."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def __post_init__(self) -> None:
        """Raise :class:`InvalidInput` unless the key is the certificate's."""
        if self.key.public_key() != self.certificate.public_key():
            raise InvalidInput("The key of the OCSP responder does not fit its certificate.")

    @property
    def begin(self) -> datetime:
        """The first moment the certificate is valid."""
        return self.certificate.not_valid_before_utc

    @property
    def end(self) -> datetime:
        """The last moment the certificate is valid."""
        return self.certificate.not_valid_after_utc

    def is_valid(self, authority: CertificateAuthority, now: datetime) -> bool:
        """Return whether it may answer for the CA at ``now``."""
        return self.begin <= now <= self.end and self.certificate.issuer == authority.certificate.subject

    def is_due(self, authority: CertificateAuthority, now: datetime) -> bool:
        """Return whether it is time for its successor: at half its life, unless a successor could not live longer."""
        if not self.is_valid(authority, now):
            return True
        return now >= self.begin + (self.end - self.begin) / 2 and self.end < authority.certificate.not_valid_after_utc


def generate_key() -> ec.EllipticCurvePrivateKey:
    """Make a key for a responder."""
    return ec.generate_private_key(ec.SECP256R1())


def responder_template(
    authority: CertificateAuthority, profile: CertificateProfile, key: ec.EllipticCurvePublicKey
) -> CertificateTemplate:
    """Return what the certificate of a CA's responder will say by the profile; that of an offline CA lives longer."""
    if authority.offline:
        profile = replace(profile, validity=replace(profile.validity, validity=_OFFLINE_VALIDITY))
    subject = responder_subject(authority.certificate.subject, authority.name)
    return profile.apply_to_own(EnrolmentRequest.own(key, subject))


def responder_subject(subject: x509.Name, ca_name: str) -> x509.Name:
    """Return the name of a CA's responder: the CA's own with another common name."""
    stem = (common_name(subject) or ca_name)[: _MAX_COMMON_NAME - len(_SUFFIX)]
    own = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, stem + _SUFFIX)])
    names = [own if next(iter(rdn)).oid == NameOID.COMMON_NAME else rdn for rdn in subject.rdns]
    return x509.Name(names if own in names else [*names, own])


def is_for_responder(certificate: x509.Certificate) -> bool:
    """Return whether a certificate is for signing OCSP answers (RFC 6960 section 4.2.2.2)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in usage
