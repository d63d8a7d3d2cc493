"""A certificate made of a profile before anybody asks for one: what cannot be encoded is better known now."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.pki import distinguished_name
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import ProfileType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from app.pki.certificate_profile import CertificateProfile

_SIGNER: Final = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))  # signs nothing but what is thrown away
_START: Final = datetime(2000, 1, 1, tzinfo=UTC)


def probe_problem(profile: CertificateProfile) -> str | None:
    """Return why no certificate can be encoded by the profile for some kind of key, or None."""
    try:
        for key in _keys(profile):
            _build(profile, key)
    except Exception as error:  # noqa: BLE001 -- whatever the library has against it would be a failure at enrolment
        return f"no certificate can be made by it: {str(error) or type(error).__name__}"
    return None


def _keys(profile: CertificateProfile) -> Iterator[CertificatePublicKeyTypes]:
    rule = profile.key
    if rule.rsa_min_bits is not None:
        yield rsa.RSAPublicNumbers(65537, (1 << (rule.rsa_min_bits - 1)) + 1).public_key()
    if rule.curves or profile.type is not ProfileType.END_ENTITY:
        yield ec.derive_private_key(1, ec.SECP256R1()).public_key()
    if rule.ed25519:
        yield _SIGNER.public_key()


def _build(profile: CertificateProfile, key: CertificatePublicKeyTypes) -> None:
    subject = distinguished_name.of_common_name("probe")
    request = EnrolmentRequest.own(key, subject)
    certificate = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=profile.subject.subject(request),
        public_key=key,
        serial_number=1,
        not_valid_before=_START,
        not_valid_after=_START + timedelta(days=1),
        extensions=[extension for rule in profile.rules for extension in rule.extensions(request)],
    ).sign(_SIGNER, None)
    len(certificate.extensions)  # reads them all: what is issued must be read again
