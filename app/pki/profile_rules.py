"""The rules a certificate profile is made of: one small class a rule, each with its clause.

A rule looks at the request and the end entity, says what it keeps, writes, drops or refuses, field by field, and
contributes its extensions to an empty template. Nothing of a request reaches a certificate but through a rule.
"""

from __future__ import annotations

import ipaddress
import re
from abc import ABC
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtensionOID

from app.pki.certificate_template import extension

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.certification_request import CertificationRequest

NEVER_FROM_A_REQUEST: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,  # as a whole: a request could name keyCertSign or cRLSign
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.PRECERT_POISON,
    }
)
"""What makes a CA of a leaf, or points verifiers elsewhere: no profile can let a request bring it."""

_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_MAX_HOST_NAME: Final = 253


class Verdict(StrEnum):
    """What a rule did to one field."""

    KEPT = "kept"
    WRITTEN = "written"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """One field, what became of it, and why, in a sentence."""

    field: str
    verdict: Verdict
    reason: str


class Rule(ABC):
    """One clause of a profile."""

    clause: ClassVar[str]

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        """Yield a finding for each field of ``request`` that this rule governs."""
        yield from ()

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        """Yield the extensions this rule puts into the certificate; only asked when nothing was refused."""
        yield from ()


@dataclass(frozen=True)
class KeyRule(Rule):
    """Which public keys are certified: RSA by its bits, elliptic curves by name, Ed25519."""

    rsa_min_bits: int | None = None
    rsa_max_bits: int | None = None
    curves: tuple[str, ...] = ()
    ed25519: bool = False

    clause: ClassVar[str] = "RFC 8017 section 3.1; EJBCA availablekeyalgorithms, availablebitlengths, availableeccurves"
    MIN_EXPONENT: ClassVar[int] = 65537  # NIST SP 800-56B section 6.2

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        problem = self._problem(request)
        verdict = Verdict.KEPT if problem is None else Verdict.REFUSED
        yield Finding("public key", verdict, problem or "The key is of an allowed kind and length.")

    def _problem(self, request: CertificationRequest) -> str | None:
        key = request.public_key
        if isinstance(key, rsa.RSAPublicKey):
            return self._rsa_problem(key)
        if isinstance(key, ec.EllipticCurvePublicKey):
            if key.curve.name in self.curves:
                return None
            # EJBCA holds the length of every key against the profile's, so P-256 is "256" to an RSA profile.
            return f"Illegal key length: {key.key_size}. The curve {key.curve.name} is not allowed; {self._allowed}"
        if isinstance(key, ed25519.Ed25519PublicKey):
            return None if self.ed25519 else self._wrong_algorithm("Ed25519")
        return self._wrong_algorithm(type(key).__name__.removesuffix("PublicKey"))

    def _rsa_problem(self, key: rsa.RSAPublicKey) -> str | None:
        if self.rsa_min_bits is None or self.rsa_max_bits is None:
            return self._wrong_algorithm("RSA")
        if not self.rsa_min_bits <= key.key_size <= self.rsa_max_bits:
            return f"Illegal key length: {key.key_size}. {self._allowed.capitalize()}"
        numbers = key.public_numbers()
        if numbers.n % 2 == 0:
            return "The RSA modulus is even, so it is no product of two large primes."
        if numbers.e < self.MIN_EXPONENT or numbers.e % 2 == 0:
            return f"The RSA public exponent is {numbers.e}; it must be odd and at least {self.MIN_EXPONENT}."
        return None

    def _wrong_algorithm(self, name: str) -> str:
        return f"Illegal key algorithm, not authorized by certificate profile: {name}; {self._allowed}"

    @property
    def _allowed(self) -> str:
        kinds = []
        if self.rsa_min_bits is not None:
            kinds.append(f"RSA of {self.rsa_min_bits} to {self.rsa_max_bits} bits")
        kinds.extend(self.curves)
        if self.ed25519:
            kinds.append("Ed25519")
        return f"allowed: {', '.join(kinds)}."


@dataclass(frozen=True)
class AlternativeNamesRule(Rule):
    """Which subject alternative names a request may bring; a type that is not allowed refuses the request."""

    dns: bool
    ip: bool
    maximum: int
    critical: bool = False

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.6; host names by RFC 1123 section 2.1"

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        names = self._requested(request)
        if names is None:
            return
        if not names or len(names) > self.maximum:
            reason = f"The subject alternative name must hold 1 to {self.maximum} names, not {len(names)}."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        for name in names:
            problem = self._problem(name)
            verdict = Verdict.KEPT if problem is None else Verdict.REFUSED
            yield Finding("subjectAltName", verdict, problem or f"{name.value!s} is allowed.")

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if names := self._requested(request):
            yield extension(x509.SubjectAlternativeName(names), critical=self.critical)

    @staticmethod
    def _requested(request: CertificationRequest) -> list[x509.GeneralName] | None:
        try:
            return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            return None

    def _problem(self, name: x509.GeneralName) -> str | None:
        if isinstance(name, x509.DNSName) and self.dns:
            if len(name.value) <= _MAX_HOST_NAME and _HOST_NAME.fullmatch(name.value):
                return None
            return f"The subject alternative name {name.value[:80]!r} is not a host name (RFC 1123)."
        if isinstance(name, x509.IPAddress) and self.ip:
            if isinstance(name.value, ipaddress.IPv4Address | ipaddress.IPv6Address):
                return None
            return f"The subject alternative name {name.value!s} is a network, not an address."
        return f"A subject alternative name of type {type(name).__name__} is not allowed."


@dataclass(frozen=True)
class KeyUsageRule(Rule):
    """The key usage bits of the certificate; what a request asks for is overwritten.

    ``keyAgreement`` is left out for RSA keys, which cannot agree on a key.
    """

    bits: frozenset[str]
    critical: bool

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.3; for RSA keys RFC 3279 section 2.3.1"
    NAMES: ClassVar[dict[str, str]] = {
        "digitalSignature": "digital_signature",
        "nonRepudiation": "content_commitment",
        "keyEncipherment": "key_encipherment",
        "dataEncipherment": "data_encipherment",
        "keyAgreement": "key_agreement",
        "keyCertSign": "key_cert_sign",
        "cRLSign": "crl_sign",
        "encipherOnly": "encipher_only",
        "decipherOnly": "decipher_only",
    }

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        bits = self._bits(request)
        yield Finding("keyUsage", Verdict.WRITTEN, ", ".join(name for name in self.NAMES if name in bits))

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        bits = self._bits(request)
        usage = x509.KeyUsage(**{argument: name in bits for name, argument in self.NAMES.items()})
        yield extension(usage, critical=self.critical)

    def _bits(self, request: CertificationRequest) -> frozenset[str]:
        return self.bits - {"keyAgreement"} if isinstance(request.public_key, rsa.RSAPublicKey) else self.bits


@dataclass(frozen=True)
class ExtendedKeyUsageRule(Rule):
    """The extended key usages of the certificate; none means that the extension is absent."""

    usages: tuple[x509.ObjectIdentifier, ...]
    critical: bool = False

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.12"

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        if self.usages:
            yield Finding("extKeyUsage", Verdict.WRITTEN, ", ".join(oid.dotted_string for oid in self.usages))

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.usages:
            yield extension(x509.ExtendedKeyUsage(self.usages), critical=self.critical)


@dataclass(frozen=True)
class BasicConstraintsRule(Rule):
    """Whether the subject is a CA, and how many CAs may follow below it."""

    ca: bool
    critical: bool
    path_length: int | None = None

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.9"

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        yield Finding("basicConstraints", Verdict.WRITTEN, f"CA:{str(self.ca).upper()}")

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield extension(x509.BasicConstraints(self.ca, self.path_length), critical=self.critical)


@dataclass(frozen=True)
class SubjectKeyIdentifierRule(Rule):
    """The SHA-1 of the public key as its name, by method 1 of the RFC; a name, not a signature."""

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.2"

    def extensions(self, request: CertificationRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key), critical=False)


@dataclass(frozen=True)
class OtherExtensionsRule(Rule):
    """All that a request asks for and no rule keeps: dropped, or refused where the request says it is critical."""

    clause: ClassVar[str] = "RFC 5280 section 4.2"
    _GOVERNED: ClassVar[frozenset[x509.ObjectIdentifier]] = frozenset(
        {ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE} | NEVER_FROM_A_REQUEST
    )

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        for requested in request.extensions:
            oid = requested.oid.dotted_string
            if requested.oid == ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
                continue
            if requested.critical and requested.oid not in self._GOVERNED:
                reason = f"The request insists (critical) on the extension {oid}, which the profile does not allow."
                yield Finding(oid, Verdict.REFUSED, reason)
            else:
                yield Finding(oid, Verdict.DROPPED, "The profile decides on this extension, not the request.")


@dataclass(frozen=True)
class ValidityRule(Rule):
    """How long the certificate is good; the CA's own end caps it."""

    validity: timedelta
    backdated: timedelta

    clause: ClassVar[str] = "RFC 5280 section 4.1.2.5; EJBCA encodedvalidity, certificatevalidityoffset"

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        yield Finding("validity", Verdict.WRITTEN, f"{self.validity.days} days, or to the end of the CA if sooner.")
