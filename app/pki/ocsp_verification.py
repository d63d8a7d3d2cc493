"""Whether an OCSP answer can be believed (RFC 6960 section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp

from app.errors import InvalidInput
from app.pki.ocsp import CertificateStatus, IssuerId, OcspRequest, Status, Validity
from app.pki.ocsp_responder import is_for_responder
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import reason_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_CLOCK_TOLERANCE: Final = timedelta(minutes=5)


@dataclass(frozen=True)
class VerifiedAnswer:
    """An answer that may be believed; ``signer`` is the responder's certificate, or the issuer's own."""

    status: CertificateStatus
    validity: Validity
    signer: x509.Certificate


def verified(der: bytes, request: OcspRequest, issuer: x509.Certificate, now: datetime) -> VerifiedAnswer:
    """Return what the answer to ``request`` says; raise :class:`InvalidInput` unless all of it can be believed."""
    try:
        response = ocsp.load_der_ocsp_response(der)
        if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise InvalidInput(f"There is no OCSP answer but the error {response.response_status.name}.")
        _check_question(response, request)
        validity = _validity(response, now)
        signer = _signer(response, issuer, now)
        _check_signature(response, signer.public_key())
        return VerifiedAnswer(_status(response), validity, signer)
    except InvalidSignature as error:
        raise InvalidInput("The signature of the OCSP answer is wrong.") from error
    except (ValueError, TypeError, NotImplementedError, UnsupportedAlgorithm, x509.DuplicateExtension) as error:
        raise InvalidInput("The OCSP answer cannot be read.") from error


def _check_question(response: ocsp.OCSPResponse, request: OcspRequest) -> None:
    issuer = IssuerId(response.hash_algorithm.name, response.issuer_name_hash, response.issuer_key_hash)
    if (issuer, response.serial_number) != (request.issuer, request.serial):
        raise InvalidInput("The OCSP answer is about another certificate.")
    if request.nonce is None:
        return
    nonces = [each.value.nonce for each in response.extensions if isinstance(each.value, x509.OCSPNonce)]
    if nonces != [request.nonce]:
        raise InvalidInput("The OCSP answer does not repeat the nonce, so it may be an old one.")


def _validity(response: ocsp.OCSPResponse, now: datetime) -> Validity:
    this_update, next_update = response.this_update_utc, response.next_update_utc
    if this_update > now + _CLOCK_TOLERANCE:
        raise InvalidInput("The OCSP answer is of a time yet to come.")
    if next_update is None or next_update <= now - _CLOCK_TOLERANCE:
        raise InvalidInput("The OCSP answer has run out, or does not say when it will.")
    return Validity(this_update, next_update)


def _signer(response: ocsp.OCSPResponse, issuer: x509.Certificate, now: datetime) -> x509.Certificate:
    for certificate in [issuer, *response.certificates]:
        if _is_named(certificate, response):
            problems = [] if certificate == issuer else list(_problems(certificate, issuer, now))
            if problems:
                raise InvalidInput(f"The OCSP answer is signed by nobody the CA has entrusted: {problems[0]}.")
            return certificate
    raise InvalidInput("The certificate of the OCSP responder is not in its answer.")


def _is_named(certificate: x509.Certificate, response: ocsp.OCSPResponse) -> bool:
    if response.responder_name is not None:
        return certificate.subject == response.responder_name
    return x509.SubjectKeyIdentifier.from_public_key(certificate.public_key()).digest == response.responder_key_hash


def _problems(certificate: x509.Certificate, issuer: x509.Certificate, now: datetime) -> Iterator[str]:
    """Yield what keeps a certificate from being the issuer's responder (RFC 6960 section 4.2.2.2)."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        yield "it has no certificate of the CA itself"
    if not is_for_responder(certificate):
        yield "its certificate is not for signing OCSP answers"
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        yield "its certificate is not valid now"


def _check_signature(response: ocsp.OCSPResponse, key: CertificatePublicKeyTypes) -> None:
    signature, signed, algorithm = response.signature, response.tbs_response_bytes, response.signature_hash_algorithm
    if isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, signed, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    else:
        key.verify(signature, signed)  # type: ignore[call-arg, union-attr] # Ed25519, ML-DSA


def _status(response: ocsp.OCSPResponse) -> CertificateStatus:
    if response.revocation_time_utc is None:
        return CertificateStatus(Status(response.certificate_status))
    flag = response.revocation_reason
    reason = RevocationReason.UNSPECIFIED if flag is None else reason_of(flag)
    return CertificateStatus.revoked(response.revocation_time_utc, reason)
