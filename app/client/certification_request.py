"""The certification request (RFC 2986) of a device or broker."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from .errors import ClientError
from .private_key import PrivateKey, public_bytes


@dataclass(frozen=True)
class Names:
    """Who the certificate is for: the common name, and the alternative names."""

    common_name: str
    alternative: tuple[x509.GeneralName, ...] = ()

    @classmethod
    def of(cls, common_name: str, dns: Sequence[str] = (), ip: Sequence[str] = ()) -> Names:
        """Read what a user wrote; raise :class:`ClientError` for what is no name."""
        names = cls(common_name, (*map(_dns_name, dns), *map(_ip_address, ip)))
        try:
            names.subject()
        except ValueError as error:
            raise ClientError(f"{common_name!r} cannot be a common name: {error}.") from error
        return names

    def subject(self) -> x509.Name:
        """Return the subject: the common name and nothing else."""
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.common_name)])


def make_request(key: PrivateKey, names: Names) -> x509.CertificateSigningRequest:
    """Return a request as dojot's certificate-retriever makes them: key usage, no CA, the alternative names."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(names.subject())
    for extension in _extensions(key, names):
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())


def serves(request: x509.CertificateSigningRequest, key: PrivateKey, names: Names) -> bool:
    """Return whether a request that is there already is the one that would be made."""
    return (
        public_bytes(request.public_key()) == public_bytes(key.public_key())
        and request.is_signature_valid
        and request.subject == names.subject()
        and [extension.value for extension in request.extensions] == list(_extensions(key, names))
    )


def one_line(request: x509.CertificateSigningRequest) -> str:
    """Return the request as dojot's clients send it: base64 of DER without line breaks."""
    return base64.b64encode(request.public_bytes(Encoding.DER)).decode()


def _extensions(key: PrivateKey, names: Names) -> Iterator[x509.ExtensionType]:
    yield x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=isinstance(key, rsa.RSAPrivateKey),  # what other keys cannot do (RFC 8410 section 5)
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    yield x509.BasicConstraints(ca=False, path_length=None)
    if names.alternative:
        yield x509.SubjectAlternativeName(names.alternative)


def _dns_name(text: str) -> x509.GeneralName:
    if not re.fullmatch(r"[A-Za-z0-9*._-]{1,253}", text):
        raise ClientError(f"{text!r} is no host name.", "Write names of other alphabets as xn--… (RFC 5890).")
    return x509.DNSName(text)


def _ip_address(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError as error:
        raise ClientError(f"{text!r} is no IP address.") from error
