"""Certificates as EJBCA-REST's clients expect them.

Every client puts one BEGIN line before the value and one END line behind it. So the value is base64 broken at 64
columns (RFC 7468 section 2), with no header around it and no newline at its end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.serialization import Encoding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptography import x509

_BETWEEN: Final = "\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"


def certificate_value(certificate: x509.Certificate) -> str:
    """Return the lines between BEGIN and END of the certificate's PEM."""
    pem = certificate.public_bytes(Encoding.PEM).decode("ascii")
    return pem.removeprefix("-----BEGIN CERTIFICATE-----\n").removesuffix("\n-----END CERTIFICATE-----\n")


def chain_value(chain: Iterable[x509.Certificate]) -> str:
    """Return several certificates as one value: wrapped by a client, it is a PEM file of all of them.

    A CA file needs the root as well as the issuing CA: OpenSSL trusts no intermediate on its own.
    """
    return _BETWEEN.join(certificate_value(certificate) for certificate in chain)
