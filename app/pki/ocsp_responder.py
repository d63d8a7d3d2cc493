"""A delegated OCSP responder (RFC 6960 section 4.2.2.2): who signs answers in the place of its CA."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from app.errors import InvalidInput
from app.pki.certificate_template import CertificateTemplate, extension
from app.pki.distinguished_name import common_name

if TYPE_CHECKING:
    from app.pki.certificate_authority import CertificateAuthority

_VALIDITY: Final = timedelta(days=30)  # with nocheck nobody asks whether it is revoked, so its life is short
_OFFLINE_VALIDITY: Final = timedelta(days=366)  # from one ceremony to the next
_BACKDATED: Final = timedelta(minutes=10)
_SUFFIX: Final = " OCSP"
_MAX_COMMON_NAME: Final = 64  # ub-common-name, RFC 5280 appendix A.1
_DIGITAL_SIGNATURE: Final = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_EXTENSIONS: Final = (
    extension(x509.BasicConstraints(ca=False, path_length=None), critical=True),
    extension(_DIGITAL_SIGNATURE, critical=True),
    extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=False),
    extension(x509.OCSPNoCheck(), critical=False),  # RFC 6960 section 4.2.2.2.1
)


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
    def end(self) -> datetime:
        """The last moment the certificate is valid."""
        return self.certificate.not_valid_after_utc

    def is_valid(self, authority: CertificateAuthority, now: datetime) -> bool:
        """Return whether it may answer for the CA at ``now``."""
        begin = self.certificate.not_valid_before_utc
        return begin <= now <= self.end and self.certificate.issuer == authority.certificate.subject

    def is_due(self, authority: CertificateAuthority, now: datetime) -> bool:
        """Return whether it is time for its successor: at half its life, unless a successor could not live longer."""
        if not self.is_valid(authority, now):
            return True
        begin = self.certificate.not_valid_before_utc
        return now >= begin + (self.end - begin) / 2 and self.end < authority.certificate.not_valid_after_utc


def generate_key() -> ec.EllipticCurvePrivateKey:
    """Make a key for a responder."""
    return ec.generate_private_key(ec.SECP256R1())


def responder_template(authority: CertificateAuthority, key: ec.EllipticCurvePublicKey) -> CertificateTemplate:
    """Return what the certificate of a CA's responder will say."""
    encoded = b"".join(each.value.public_bytes() for each in _EXTENSIONS)
    return CertificateTemplate(
        subject=_subject(authority),
        public_key=key,
        validity=_OFFLINE_VALIDITY if authority.offline else _VALIDITY,
        backdated=_BACKDATED,
        extensions=(*_EXTENSIONS, extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)),
        hash_algorithm=hashes.SHA256(),
        profile="ocsp-responder",
        profile_sha256=hashlib.sha256(encoded).hexdigest(),  # there is no file to hash: what is fixed in it
    )


def _subject(authority: CertificateAuthority) -> x509.Name:
    """Return the CA's own name with another common name."""
    subject = authority.certificate.subject
    stem = (common_name(subject) or authority.name)[: _MAX_COMMON_NAME - len(_SUFFIX)]
    own = x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, stem + _SUFFIX)])
    names = [own if next(iter(rdn)).oid == NameOID.COMMON_NAME else rdn for rdn in subject.rdns]
    return x509.Name(names if own in names else [*names, own])
