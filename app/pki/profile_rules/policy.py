"""What a certificate says of the policy it was issued under, and of stapling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509

from app.pki.certificate_template import extension
from app.pki.profile_rules.rule import Finding, Rule, Verdict, criticality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


@dataclass(frozen=True)
class Policy:
    """One certificate policy; the address of the practice statement (CPS) it is described in, and a text, or None."""

    oid: x509.ObjectIdentifier
    practice_statement: str | None = None
    notice: str | None = None

    @property
    def information(self) -> x509.PolicyInformation:
        """The policy with its qualifiers."""
        qualifiers: list[str | x509.UserNotice] = []
        if self.practice_statement is not None:
            qualifiers.append(self.practice_statement)
        if self.notice is not None:
            qualifiers.append(x509.UserNotice(None, self.notice))
        return x509.PolicyInformation(self.oid, qualifiers or None)


@dataclass(frozen=True)
class CertificatePoliciesRule(Rule):
    """The policies the certificate is issued under; none means that the extension is absent."""

    policies: tuple[Policy, ...] = ()

    key: ClassVar[str] = "policies"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.4; EJBCA certificatepolicies"

    def describe(self) -> str:
        return self._listed or "None: the extension is left out."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        if self.policies:
            yield Finding("certificatePolicies", Verdict.WRITTEN, f"{self._listed}; {criticality(critical=False)}")

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.policies:
            value = x509.CertificatePolicies([policy.information for policy in self.policies])
            yield extension(value, critical=False)

    @property
    def _listed(self) -> str:
        return ", ".join(policy.oid.dotted_string for policy in self.policies)


@dataclass(frozen=True)
class MustStapleRule(Rule):
    """The TLS feature status_request: a server that shows the certificate must staple an OCSP answer to it."""

    must_staple: bool = False

    key: ClassVar[str] = "must_staple"
    clause: ClassVar[str] = "RFC 7633 section 4"

    def describe(self) -> str:
        return "The server must staple an OCSP answer." if self.must_staple else "No: the extension is left out."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        if self.must_staple:
            yield Finding("tlsFeature", Verdict.WRITTEN, f"status_request; {criticality(critical=False)}")

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.must_staple:
            yield extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
