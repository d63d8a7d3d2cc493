"""A CA as the operator declares it: what it will be made as, and what an existing one is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes, CertificatePublicKeyTypes

from app.pki import name_constraints
from app.pki.certificate_profile import CertificateProfile
from app.pki.certificate_template import CertificateTemplate
from app.pki.distinguished_name import to_string
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.ocsp_responder import responder_subject

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

ROOT_PROFILE: Final = "root-ca"
SUB_PROFILE: Final = "sub-ca"
"""By which CAs are made that name no profile: self-signed ones, and those below."""


@dataclass(frozen=True)
class DeclaredAuthority:
    """One CA of the hierarchy file; ``issuer`` is None for a root; ``key_size``, in bits, matters for RSA alone.

    ``profile`` names the certificate profile it is made by, which also says what ``validity`` and ``path_length`` leave
    open. ``depth``: how many CAs stand below each other under it. ``crl_partitions``: into how many revocation lists
    its certificates are spread, 0 for one.
    """

    name: str
    subject: x509.Name
    validity: timedelta | None
    key_type: str
    key_size: int
    path_length: int | None
    signs_end_entities: bool
    issuer: str | None
    profile: str
    depth: int = 0
    crl_partitions: int = 0

    def generate_key(self) -> CertificateIssuerPrivateKeyTypes:
        """Make a new key of the declared kind."""
        if self.key_type == "RSA":
            return rsa.generate_private_key(public_exponent=65537, key_size=self.key_size)
        return _GENERATORS[self.key_type]()

    def problems(self, profile: CertificateProfile) -> Iterator[str]:
        """Yield a sentence for each point in which the profile does not let this CA be made."""
        longest, most_below = profile.validity.validity, profile.basic_constraints.path_length
        if self.validity is not None and isinstance(longest, timedelta) and self.validity > longest:
            yield f"its validity is {self.validity.days} days, and the profile {profile.name} gives {longest.days}"
        if self.path_length is not None and most_below is not None and self.path_length > most_below:
            yield f"its pathlen is {self.path_length}, and the profile {profile.name} gives {most_below}"
        if self.path_length is None and most_below is not None and self.depth > most_below:
            yield f"it has CAs below it, and the profile {profile.name} gives pathlen {most_below}"
        own, responder = profile.name_constraints.value, responder_subject(self.subject, self.name)
        for problem in name_constraints.problems([own] if own else [], responder, ()):
            yield f"by the profile {profile.name} it could not certify its own OCSP responder: {problem}"

    def template(self, profile: CertificateProfile, public_key: CertificatePublicKeyTypes) -> CertificateTemplate:
        """Return what the CA's own certificate will say: the profile's, with the declared length and pathlen."""
        constraints, validity = profile.basic_constraints, profile.validity
        if self.path_length is not None:
            constraints = replace(constraints, path_length=self.path_length)
        if self.validity is not None:
            validity = replace(validity, validity=self.validity)
        profile = replace(profile, basic_constraints=constraints, validity=validity)
        return profile.apply_to_own(EnrolmentRequest.own(public_key, self.subject))

    def contradictions(self, certificate: x509.Certificate, issuer: x509.Certificate | None) -> Iterator[str]:
        """Yield a sentence for each point in which the declaration does not describe ``certificate``."""
        if certificate.subject != self.subject:
            yield f"its dn is {to_string(self.subject)}, on disk it is {to_string(certificate.subject)}"
        if (found := describe_key(certificate.public_key())) != (declared := self.described_key):
            yield f"its key is {declared}, on disk it is {found}"
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        if self.path_length is not None and constraints.path_length != self.path_length:
            yield f"its pathlen is {self.path_length}, on disk it is {constraints.path_length}"
        if constraints.path_length is not None and self.depth > constraints.path_length:
            yield f"it has CAs below it, and on disk its pathlen is {constraints.path_length}"
        signer = issuer.subject if issuer else self.subject
        if certificate.issuer != signer:
            yield f"it is signed by {to_string(signer)}, on disk by {to_string(certificate.issuer)}"
        if self.validity is None:
            return
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
