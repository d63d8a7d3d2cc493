"""The revocation list of a CA (RFC 5280 section 5), and whether it may be believed."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from .chain import CLOCK_TOLERANCE
from .errors import BadAnswer, NotVerified, legible


def read_list(value: Any, source: str) -> x509.CertificateRevocationList:
    """Return the list in a value of EJBCA-REST: base64 of DER, with or without line breaks."""
    try:
        return x509.load_der_x509_crl(base64.b64decode("".join(value.split()), validate=True))
    except (AttributeError, ValueError, binascii.Error) as error:
        raise BadAnswer(f"{source} is no revocation list that can be read.") from error


def verify_list(crl: x509.CertificateRevocationList, issuer: x509.Certificate, now: datetime) -> None:
    """Raise :class:`NotVerified` unless it is the full list of that CA, signed by it and good now."""
    name = issuer.subject.rfc4514_string()
    with legible("The revocation list"):
        if crl.issuer != issuer.subject or not _signed_by(crl, issuer):
            raise NotVerified(f"The revocation list is not signed by {name}.", "Tell the CA's administrator.")
        if _is_partial(crl):
            raise NotVerified(f"The revocation list is not the full one of {name}.")
        _check_time(crl, name, now)


def list_number(crl: x509.CertificateRevocationList) -> int | None:
    """Return the number that grows with each list of a CA, None if it has none."""
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def is_listed(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    """Return whether the certificate is revoked by the list."""
    return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None


def _signed_by(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type] # TypeError: a key that signs nothing
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        return False


def _check_time(crl: x509.CertificateRevocationList, name: str, now: datetime) -> None:
    begin, end = crl.last_update_utc, crl.next_update_utc
    if begin > now + CLOCK_TOLERANCE:
        raise NotVerified(
            f"The revocation list of {name} is of a time yet to come ({begin:%Y-%m-%d %H:%M} UTC).",
            f"Is the clock right? It says {now:%Y-%m-%d %H:%M} UTC here.",
        )
    if end is None:
        raise NotVerified(f"The revocation list of {name} does not say when it runs out.")
    if end <= now:
        raise NotVerified(
            f"The revocation list of {name} has run out ({end:%Y-%m-%d %H:%M} UTC).",
            "The CA has to issue a new one; with the old one brokers refuse every device.",
        )


def _is_partial(crl: x509.CertificateRevocationList) -> bool:
    """Return whether the list is a delta, or leaves out some reasons or kinds of certificates.

    One that only names where it is distributed is whole as far as it says.
    """
    for extension in crl.extensions:
        value = extension.value
        if isinstance(value, x509.DeltaCRLIndicator):
            return True
        if isinstance(value, x509.IssuingDistributionPoint) and (
            value.only_contains_ca_certs
            or value.only_contains_attribute_certs
            or value.indirect_crl
            or value.only_some_reasons
        ):
            return True
    return False
