"""What the key of a certificate may be used for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.pki.certificate_template import extension
from app.pki.profile_rules.rule import Finding, Rule, Verdict, criticality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


@dataclass(frozen=True)
class KeyUsageRule(Rule):
    """The key usage bits of the certificate; what a request asks for is overwritten.

    A bit goes only to keys that can do it: keyAgreement never to RSA, encipherment to RSA alone.
    """

    bits: frozenset[str]
    critical: bool

    key: ClassVar[str] = "key_usage"
    clause: ClassVar[str] = (
        "RFC 5280 section 4.2.1.3; for RSA RFC 3279 2.3.1, for EC RFC 8813 3, for Ed25519 RFC 8410 5"
    )
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
    _AGREEMENT: ClassVar[frozenset[str]] = frozenset({"keyAgreement", "encipherOnly", "decipherOnly"})
    _ENCIPHERMENT: ClassVar[frozenset[str]] = frozenset({"keyEncipherment", "dataEncipherment"})
    UNFIT: ClassVar[dict[type, frozenset[str]]] = {
        rsa.RSAPublicKey: _AGREEMENT,
        ec.EllipticCurvePublicKey: _ENCIPHERMENT,
        ed25519.Ed25519PublicKey: _AGREEMENT | _ENCIPHERMENT,
    }

    def describe(self) -> str:
        return self._listed(self.bits) + (", critical" if self.critical else "")

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield self._made(type(request.public_key))[0]

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield self._made(type(request.public_key))[1]

    def _listed(self, bits: frozenset[str]) -> str:
        return ", ".join(name for name in self.NAMES if name in bits)

    def _made(self, kind: type) -> tuple[Finding, x509.Extension[x509.ExtensionType]]:
        """Return what keys of that kind get; the same for all of them, so it is made once."""
        if kind not in self._by_kind:
            bits = self.bits.difference(*(unfit for fit, unfit in self.UNFIT.items() if issubclass(kind, fit)))
            reason = f"{self._listed(bits)}; {criticality(critical=self.critical)}"
            usage = x509.KeyUsage(**{argument: name in bits for name, argument in self.NAMES.items()})
            written = extension(usage, critical=self.critical)
            self._by_kind[kind] = Finding("keyUsage", Verdict.WRITTEN, reason), written
        return self._by_kind[kind]

    @cached_property
    def _by_kind(self) -> dict[type, tuple[Finding, x509.Extension[x509.ExtensionType]]]:
        return {}


@dataclass(frozen=True)
class ExtendedKeyUsageRule(Rule):
    """The extended key usages of the certificate; none means that the extension is absent."""

    usages: tuple[x509.ObjectIdentifier, ...] = ()
    critical: bool = False

    key: ClassVar[str] = "extended_key_usage"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.12"
    NAMES: ClassVar[dict[str, x509.ObjectIdentifier]] = {
        "clientAuth": ExtendedKeyUsageOID.CLIENT_AUTH,
        "serverAuth": ExtendedKeyUsageOID.SERVER_AUTH,
        "emailProtection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
        "codeSigning": ExtendedKeyUsageOID.CODE_SIGNING,
        "ipsecIKE": ExtendedKeyUsageOID.IPSEC_IKE,
    }

    @classmethod
    def name(cls, usage: x509.ObjectIdentifier) -> str:
        """Return the name of a usage, or its OID."""
        named = {"OCSPSigning": ExtendedKeyUsageOID.OCSP_SIGNING, **cls.NAMES}
        return next((name for name, oid in named.items() if oid == usage), usage.dotted_string)

    def describe(self) -> str:
        if not self.usages:
            return "None: the extension is left out."
        return self._listed + (", critical" if self.critical else "")

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        if self.usages:
            yield self._finding

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.usages:
            yield self._extension

    @property
    def _listed(self) -> str:
        return ", ".join(map(self.name, self.usages))

    @cached_property
    def _finding(self) -> Finding:
        return Finding("extKeyUsage", Verdict.WRITTEN, f"{self._listed}; {criticality(critical=self.critical)}")

    @cached_property
    def _extension(self) -> x509.Extension[x509.ExtensionType]:
        return extension(x509.ExtendedKeyUsage(self.usages), critical=self.critical)
