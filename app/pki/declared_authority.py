"""A CA as the operator declares it: what it will be made as, and what an existing one is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes

from app.pki.certificate_template import CertificateTemplate, Pointer, extension
from app.pki.distinguished_name import to_string

_GENERATORS: Final[dict[str, Callable[[], CertificateIssuerPrivateKeyTypes]]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-44": mldsa.MLDSA44PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey.generate,
}
KEY_TYPES: Final = ("RSA", *_GENERATORS)
_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
_KEY_CLASSES: Final[tuple[tuple[type, str], ...]] = (
    (ed25519.Ed25519PublicKey, "Ed25519"),
    (mldsa.MLDSA44PublicKey, "ML-DSA-44"),
    (mldsa.MLDSA65PublicKey, "ML-DSA-65"),
    (mldsa.MLDSA87PublicKey, "ML-DSA-87"),
)
_BACKDATED: Final = timedelta(minutes=10)


@dataclass(frozen=True)
class DeclaredAuthority:
    """One CA of the hierarchy file; ``issuer`` is None for a root; ``key_size``, in bits, matters for RSA alone.

    ``crl_partitions``: into how many revocation lists its certificates are spread, 0 for one.
    """

    name: str
    subject: x509.Name
    validity: timedelta
    key_type: str
    key_size: int
    path_length: int | None
    signs_end_entities: bool
    issuer: str | None
    sha256: str
    crl_partitions: int = 0

    def generate_key(self) -> CertificateIssuerPrivateKeyTypes:
        """Make a new key of the declared kind."""
        if self.key_type == "RSA":
            return rsa.generate_private_key(public_exponent=65537, key_size=self.key_size)
        return _GENERATORS[self.key_type]()

    def template(self, public_key: CertificatePublicKeyTypes) -> CertificateTemplate:
        """Return what the CA's own certificate will say (RFC 5280 sections 4.2.1.3 and 4.2.1.9: both critical)."""
        usage = x509.KeyUsage(
            digital_signature=True,  # a CA may sign OCSP responses itself (RFC 6960 section 4.2.2.2)
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        return CertificateTemplate(
            subject=self.subject,
            public_key=public_key,
            validity=self.validity,
            backdated=_BACKDATED,
            extensions=(
                extension(x509.BasicConstraints(ca=True, path_length=self.path_length), critical=True),
                extension(usage, critical=True),
                extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False),
            ),
            hash_algorithm=hashes.SHA256(),
            profile="hierarchy",
            profile_sha256=self.sha256,
            pointers=frozenset(Pointer),
        )

    def contradictions(self, certificate: x509.Certificate, issuer: x509.Certificate | None) -> Iterator[str]:
        """Yield a sentence for each point in which the declaration does not describe ``certificate``."""
        if certificate.subject != self.subject:
            yield f"its dn is {to_string(self.subject)}, on disk it is {to_string(certificate.subject)}"
        if (found := describe_key(certificate.public_key())) != (declared := self.described_key):
            yield f"its key is {declared}, on disk it is {found}"
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if constraints.path_length != self.path_length:
            yield f"its pathlen is {self.path_length}, on disk it is {constraints.path_length}"
        signer = issuer.subject if issuer else self.subject
        if certificate.issuer != signer:
            yield f"it is signed by {to_string(signer)}, on disk by {to_string(certificate.issuer)}"
        declared_end = certificate.not_valid_before_utc + self.validity
        if issuer is not None:
            declared_end = min(declared_end, issuer.not_valid_after_utc)
        if certificate.not_valid_after_utc != declared_end:
            days = (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days
            yield f"its validity is {self.validity.days} days, on disk it is {days}"

    @property
    def described_key(self) -> str:
        """The declared kind of key, as :func:`describe_key` tells it of a key."""
        return f"RSA {self.key_size}" if self.key_type == "RSA" else self.key_type


def generate_like(key: CertificatePublicKeyTypes) -> CertificateIssuerPrivateKeyTypes:
    """Make a key of the kind of ``key``, to be thrown away; RSA keys have 2048 bits whatever its length, for speed."""
    name = describe_key(key)
    if name in _GENERATORS:
        return _GENERATORS[name]()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def describe_key(key: CertificatePublicKeyTypes) -> str:
    """Return the kind of a key as the hierarchy file writes it, e.g. ``RSA 4096`` or ``P-256``."""
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _CURVES.get(key.curve.name, key.curve.name)
    return next((name for kind, name in _KEY_CLASSES if isinstance(key, kind)), type(key).__name__)
