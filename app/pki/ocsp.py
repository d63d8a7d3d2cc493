"""What an OCSP request asks (RFC 6960 section 4.1), and what an answer to it says (section 4.2).

One certificate a request and no signature of the asker's, as the profile for large environments has it (RFC 5019
section 2.1). A signature that is there all the same is not looked at: status is told to everyone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from app.errors import InvalidInput
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import reason_flag

if TYPE_CHECKING:
    from app.pki.ocsp_responder import OcspResponder

MAX_NONCE: Final = 128
"""Octets (RFC 9654 section 2.1)."""

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    algorithm.name: algorithm
    for algorithm in (
        hashes.SHA1(),  # noqa: S303 -- how clients name issuers (RFC 5019); it only finds a CA
        hashes.SHA224(),
        hashes.SHA256(),
        hashes.SHA384(),
        hashes.SHA512(),
    )
}
HASH_NAMES: Final = tuple(_HASHES)
"""The algorithms a request may name its issuer by."""


@dataclass(frozen=True)
class IssuerId:
    """How a request names a CA: hashes of its name and of its key (RFC 6960 section 4.1.1)."""

    hash_name: str
    name_hash: bytes
    key_hash: bytes

    @classmethod
    def of(cls, issuer: x509.Certificate, hash_name: str) -> IssuerId:
        """Return the id of the CA with that certificate."""
        # The library's own name hash would be that of the issuer's issuer; its key hash is the right one.
        request = ocsp.OCSPRequestBuilder().add_certificate(issuer, issuer, _HASHES[hash_name]).build()
        name_hash = hashlib.new(hash_name, issuer.subject.public_bytes(), usedforsecurity=False).digest()
        return cls(hash_name, name_hash, request.issuer_key_hash)


@dataclass(frozen=True)
class OcspRequest:
    """The certificate that is asked about, and the nonce that the answer must repeat, or None."""

    issuer: IssuerId
    serial: int
    nonce: bytes | None = None

    @classmethod
    def from_der(cls, der: bytes) -> OcspRequest:
        """Read the DER of an OCSPRequest; raise :class:`InvalidInput` for whatever cannot be answered as it is.

        An issuer that is named by an unknown hash algorithm keeps that algorithm's name: no CA goes by it.
        """
        try:
            request = ocsp.load_der_ocsp_request(der)
            serial, extensions = request.serial_number, request.extensions
            issuer = IssuerId(_hash_name(request), request.issuer_name_hash, request.issuer_key_hash)
        except NotImplementedError as error:
            raise InvalidInput("An OCSP request must ask about exactly one certificate.") from error
        except (ValueError, TypeError, LookupError, x509.DuplicateExtension) as error:
            raise InvalidInput("The OCSP request cannot be read.") from error
        if serial < 0:
            raise InvalidInput("The serial number in the OCSP request is negative.")
        return cls(issuer, serial, _nonce(extensions))

    def encoded(self) -> bytes:
        """Return the DER of the request."""
        builder = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
            self.issuer.name_hash, self.issuer.key_hash, self.serial, _HASHES[self.issuer.hash_name]
        )
        if self.nonce is not None:
            builder = builder.add_extension(x509.OCSPNonce(self.nonce), critical=False)
        return builder.build().public_bytes(Encoding.DER)


def _hash_name(request: ocsp.OCSPRequest) -> str:
    try:
        return request.hash_algorithm.name
    except UnsupportedAlgorithm:
        return "unsupported"


def _nonce(extensions: x509.Extensions) -> bytes | None:
    nonce = None
    for extension in extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            nonce = extension.value.nonce
        elif extension.critical:
            oid = extension.oid.dotted_string
            raise InvalidInput(f"The OCSP request holds the critical extension {oid}, which is not known here.")
    if nonce is not None and not 1 <= len(nonce) <= MAX_NONCE:
        raise InvalidInput(f"The nonce of an OCSP request must have 1 to {MAX_NONCE} octets (RFC 9654 section 2.1).")
    return nonce


class Status(Enum):
    """CertStatus (RFC 6960 section 2.2)."""

    GOOD = ocsp.OCSPCertStatus.GOOD
    REVOKED = ocsp.OCSPCertStatus.REVOKED
    UNKNOWN = ocsp.OCSPCertStatus.UNKNOWN


@dataclass(frozen=True)
class CertificateStatus:
    """What is known of a certificate; date and reason are there for a revoked one, the reason only if it says much.

    ``revision`` tells apart two times of being good with a hold between them: each has answers of its own.
    """

    status: Status
    revoked_at: datetime | None = None
    reason: RevocationReason | None = None
    revision: int = 0

    @classmethod
    def revoked(cls, revoked_at: datetime, reason: RevocationReason) -> CertificateStatus:
        """Return the status of a revoked certificate; the reason "unspecified" is left out, as EJBCA does."""
        stated = None if reason is RevocationReason.UNSPECIFIED else reason
        return cls(Status.REVOKED, revoked_at.replace(microsecond=0), stated)


UNKNOWN: Final = CertificateStatus(Status.UNKNOWN)


@dataclass(frozen=True)
class Validity:
    """``this_update`` is when the status was known to be so; from ``next_update`` on the answer is not to be used."""

    this_update: datetime
    next_update: datetime


def sign_answer(responder: OcspResponder, request: OcspRequest, status: CertificateStatus, validity: Validity) -> bytes:
    """Return the DER of the OCSPResponse. ``producedAt`` is the machine's time: the library takes no other."""
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            request.issuer.name_hash,
            request.issuer.key_hash,
            request.serial,
            _HASHES[request.issuer.hash_name],
            status.status.value,
            validity.this_update,
            validity.next_update,
            status.revoked_at,
            reason_flag(status.reason) if status.reason is not None else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        .certificates([responder.certificate])
    )
    if request.nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(request.nonce), critical=False)
    return builder.sign(responder.key, hashes.SHA256()).public_bytes(Encoding.DER)


class OcspError(Enum):
    """Why there is no answer (RFC 6960 section 2.3); these go out unsigned."""

    MALFORMED_REQUEST = ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    INTERNAL_ERROR = ocsp.OCSPResponseStatus.INTERNAL_ERROR
    TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER
    UNAUTHORIZED = ocsp.OCSPResponseStatus.UNAUTHORIZED

    @cached_property
    def encoded(self) -> bytes:
        """The DER of the OCSPResponse."""
        return ocsp.OCSPResponseBuilder.build_unsuccessful(self.value).public_bytes(Encoding.DER)
