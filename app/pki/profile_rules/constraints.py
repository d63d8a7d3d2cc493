"""Whether the subject is a CA, and the name of its key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509

from app.pki.certificate_template import extension
from app.pki.profile_rules.rule import Finding, Rule, Verdict, criticality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


@dataclass(frozen=True)
class BasicConstraintsRule(Rule):
    """Whether the subject is a CA, and how many CAs may follow below it."""

    ca: bool
    critical: bool
    path_length: int | None = None

    key: ClassVar[str] = "basic_constraints"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.9"

    def describe(self) -> str:
        return f"CA:{str(self.ca).upper()}{', critical' if self.critical else ''}"

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield self._finding

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield self._extension

    @cached_property
    def _finding(self) -> Finding:
        reason = f"CA:{str(self.ca).upper()}; {criticality(critical=self.critical)}"
        return Finding("basicConstraints", Verdict.WRITTEN, reason)

    @cached_property
    def _extension(self) -> x509.Extension[x509.ExtensionType]:
        return extension(x509.BasicConstraints(self.ca, self.path_length), critical=self.critical)


@dataclass(frozen=True)
class SubjectKeyIdentifierRule(Rule):
    """The SHA-1 of the public key as its name, by method 1 of the RFC; a name, not a signature."""

    clause: ClassVar[str] = "RFC 5280 section 4.2.1.2"

    def describe(self) -> str:
        return "The SHA-1 of the public key."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield Finding(
            "subjectKeyIdentifier", Verdict.WRITTEN, f"{self.describe()[:-1]}; {criticality(critical=False)}."
        )

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield extension(x509.SubjectKeyIdentifier.from_public_key(request.public_key), critical=False)
