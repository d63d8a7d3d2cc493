"""The certificates of a CA as it hands them out, and whether a certificate is really of it."""

from __future__ import annotations

import binascii
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from .certification_request import Names
from .errors import BadAnswer, NotVerified, legible
from .private_key import PrivateKey, public_bytes

CLOCK_TOLERANCE: Final = timedelta(minutes=5)
_BEGIN: Final = "-----BEGIN CERTIFICATE-----\n"
_END: Final = "\n-----END CERTIFICATE-----\n"
_MAX_CHAIN: Final = 10
_BEWARE: Final = "Do not use it; tell the CA's administrator."

Chain = tuple[x509.Certificate, ...]
"""A CA, who certified it, and so on to a root."""


def read_certificates(value: Any, source: str) -> Chain:
    """Return the certificates of a value of EJBCA-REST: base64, END and BEGIN lines only between two of them."""
    try:
        found = x509.load_pem_x509_certificates((_BEGIN + value.strip() + _END).encode("ascii"))
    except (AttributeError, ValueError, binascii.Error) as error:
        raise BadAnswer(f"{source} is no certificate that can be read.") from error
    return tuple(found)


def read_certificate(value: Any, source: str) -> x509.Certificate:
    """Return the first certificate of such a value: what a signed request is answered with."""
    return read_certificates(value, source)[0]


def to_pem(certificates: Sequence[x509.Certificate]) -> bytes:
    """Return the certificates as a file of them all."""
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate as upper-case hex with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def verified_chain(certificates: Sequence[x509.Certificate], now: datetime) -> Chain:
    """Return the CA and those above it, in that order, or raise :class:`NotVerified` (RFC 5280 section 6.1).

    They may come from the CA to the root or the other way round; the root has to be there, as TLS clients ask for it.
    """
    if len(certificates) > _MAX_CHAIN:
        raise NotVerified(f"The CA answers with a chain of {len(certificates)} certificates.")
    if len(certificates) > 1 and _issued(certificates[0], certificates[-1]):
        certificates = list(reversed(certificates))
    with legible("A certificate of the CA"):
        for depth, certificate in enumerate(certificates):
            _check_authority(certificate, certificates[min(depth + 1, len(certificates) - 1)], depth, now)
    return tuple(certificates)


def check_certificate(
    certificate: x509.Certificate, key: PrivateKey, names: Names, chain: Chain | None, now: datetime
) -> None:
    """Raise :class:`NotVerified` unless the certificate is of that key and those names, valid, and issued by the CA.

    Without ``chain`` the issuer is not looked at.
    """
    with legible("The certificate"):
        if public_bytes(certificate.public_key()) != public_bytes(key.public_key()):
            raise NotVerified("The certificate is of another key than the request.", _BEWARE)
        _check_names(certificate, names)
        if _basic_constraints(certificate).ca:
            raise NotVerified("The certificate makes a CA of its holder.", _BEWARE)
        if chain is not None and not _issued(chain[0], certificate):
            raise NotVerified(
                f"The certificate is not issued by {_name(chain[0])} but by {certificate.issuer.rfc4514_string()}.",
                "Give the name of the CA that issues for it.",
            )
        _check_validity(certificate, now)


def _check_names(certificate: x509.Certificate, names: Names) -> None:
    found = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    if found != [names.common_name]:
        raise NotVerified(
            f"The certificate is for {certificate.subject.rfc4514_string() or 'nobody'}, not for {names.common_name}.",
            "Look at the subject of the end entity.",
        )
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        got = set(extension.value)
    except x509.ExtensionNotFound:
        got = set()
    if missing := [str(name.value) for name in names.alternative if name not in got]:
        raise NotVerified(
            f"The certificate lacks the alternative names {', '.join(missing)}.", "Look at the certificate profile."
        )


def _check_authority(certificate: x509.Certificate, above: x509.Certificate, depth: int, now: datetime) -> None:
    constraints = _basic_constraints(certificate)
    if not constraints.ca:
        raise NotVerified(f"{_name(certificate)} is no CA by its own certificate.")
    if constraints.path_length is not None and constraints.path_length < depth:
        raise NotVerified(f"{_name(certificate)} may not have a CA so far below it.")
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.key_cert_sign:
        raise NotVerified(f"{_name(certificate)} may not sign certificates by its own.")
    if not _issued(above, certificate):
        raise NotVerified(
            f"{_name(certificate)} is not signed by {_name(above)}: the CA's certificates are no chain to a root.",
            "Compare them with what the CA's administrator has.",
        )
    _check_validity(certificate, now)


def _check_validity(certificate: x509.Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now + CLOCK_TOLERANCE < begin:
        raise NotVerified(
            f"The certificate of {_name(certificate)} is not valid before {begin:%Y-%m-%d %H:%M} UTC.",
            f"Is the clock right? It says {now:%Y-%m-%d %H:%M} UTC here.",
        )
    if now >= end:
        raise NotVerified(
            f"The certificate of {_name(certificate)} ended at {end:%Y-%m-%d %H:%M} UTC.",
            f"It has to be renewed, if the clock is right: it says {now:%Y-%m-%d %H:%M} UTC here.",
        )


def _basic_constraints(certificate: x509.Certificate) -> x509.BasicConstraints:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return x509.BasicConstraints(ca=False, path_length=None)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False
    return True


def _name(certificate: x509.Certificate) -> str:
    return certificate.subject.rfc4514_string() or "a certificate without subject"
