"""Callers with a client certificate that an admin admitted (``midca token create --certificate``).

Whoever ends TLS verifies that the caller has the key, and that an accepted CA signed the certificate. Here it counts as
the one certificate it is, by its hash: by its name, whoever can register end entities could make themselves an admin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import NotAuthenticated
from app.operations.access_tokens import holder
from app.pki.certificate_authority import serial_hex

if TYPE_CHECKING:
    from app.operations.access_tokens import AccessTokens
    from app.operations.callers import Shown
    from app.operations.principal import Principal
    from app.store.certificates import CertificateStore


@dataclass(frozen=True)
class ClientCertificates:
    """``certificates`` are this CA's own: one that was revoked here is refused, whatever who ends TLS knows of it."""

    tokens: AccessTokens
    certificates: CertificateStore
    now: Callable[[], datetime]

    def principal(self, shown: Shown) -> Principal | None:
        """Return whose certificate was shown; see :class:`~app.operations.callers.Way`.

        One that nobody admitted, such as a device's, is for other ways.
        """
        if shown.certificate is None:
            return None
        certificate = read_certificate(shown.certificate)
        der = certificate.public_bytes(Encoding.DER)
        admitted = self.tokens.recognise_certificate(der)
        if admitted is None:
            return None
        check_dates(certificate, self.now())
        own = self.certificates.find_serial(serial_hex(certificate.serial_number))
        # Of one that was revoked by its serial alone, or came back with a restore, there are no bytes to compare.
        if any(stored.revoked for stored in own if stored.certificate in {None, der}):
            raise NotAuthenticated("The client certificate is revoked.")
        return holder(admitted, "client certificate")


def read_certificate(shown: str) -> x509.Certificate:
    """Return the certificate (PEM) that a client showed; raise :class:`NotAuthenticated` when it cannot be read."""
    try:
        return x509.load_pem_x509_certificate(shown.encode())
    except (ValueError, x509.InvalidVersion) as error:
        raise NotAuthenticated("The client certificate cannot be read.") from error


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Raise :class:`NotAuthenticated` unless the certificate that a client showed is within its dates."""
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise NotAuthenticated("The client certificate has ended, or is not good yet.")
