"""The certificate and key that the server speaks TLS with, and the CAs whose client certificates it takes."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography import x509

from app.errors import ConfigurationError
from app.files.protected import read_private

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class TlsFiles:
    """PEM files: ``certificate`` with the CAs between it and the root behind it, ``client_ca`` any number of CAs."""

    certificate: Path
    key: Path
    client_ca: Path | None

    def context(self) -> ssl.SSLContext:
        """Return what speaks TLS 1.2 or later by the files as they are now.

        With ``client_ca`` a client may show a certificate, and who shows one that none of these CAs signed is refused.
        Raises :class:`ConfigurationError` for what is missing, open to others, or does not fit together.
        """
        self.leaf()
        if b"ENCRYPTED" in read_private(self.key):  # OpenSSL would ask a terminal for the passphrase
            raise ConfigurationError(
                f"{self.key} is encrypted: the key of TLS is kept without a passphrase, mode 0600."
            )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = max(context.minimum_version, ssl.TLSVersion.TLSv1_2)
        context.options |= ssl.OP_NO_RENEGOTIATION
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"{self.certificate} and {self.key} cannot be used for TLS: {_reason(error)}."
            ) from error
        if self.client_ca is not None:
            _take_clients_of(self.client_ca, context)
        return context

    def leaf(self) -> x509.Certificate:
        """Return the server's own certificate, which is the first in its file."""
        try:
            return x509.load_pem_x509_certificates(self.certificate.read_bytes())[0]
        except (OSError, ValueError) as error:
            raise ConfigurationError(f"{self.certificate} holds no certificate: {_reason(error)}.") from error


def _take_clients_of(bundle: Path, context: ssl.SSLContext) -> None:
    try:
        context.load_verify_locations(bundle)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{bundle} holds no CA of client certificates: {_reason(error)}.") from error
    context.verify_mode = ssl.CERT_OPTIONAL  # devices that enrol have none
    # A CA below the root is trusted alone where it stands alone: the root would bring all its others with it.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN


def _reason(error: Exception) -> str:
    """Return the library's words without the place in its own source."""
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.replace("_", " ").lower()
    return getattr(error, "strerror", None) or str(error).partition("\n")[0].rstrip(".")
