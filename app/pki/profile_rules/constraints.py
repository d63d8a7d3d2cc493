"""Whether the subject is a CA, what it may certify, and the name of its key."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

from cryptography import x509

from app.pki.certificate_template import extension
from app.pki.name_constraints import described
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
        return f"{self._said}{', critical' if self.critical else ''}"

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield self._finding

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield self._extension

    @cached_property
    def _finding(self) -> Finding:
        reason = f"{self._said}; {criticality(critical=self.critical)}"
        return Finding("basicConstraints", Verdict.WRITTEN, reason)

    @cached_property
    def _extension(self) -> x509.Extension[x509.ExtensionType]:
        return extension(x509.BasicConstraints(self.ca, self.path_length), critical=self.critical)

    @property
    def _said(self) -> str:
        below = "" if self.path_length is None else f", at most {self.path_length} CAs below it"
        return f"CA:{str(self.ca).upper()}{below}"


@dataclass(frozen=True)
class NameConstraintsRule(Rule):
    """The names below which a CA certifies, and those it never does; of a kind that is not named, all are free.

    Hosts and mailboxes count with all below them, addresses by networks, directory names by what they begin with.
    """

    permitted: tuple[x509.GeneralName, ...] = ()
    excluded: tuple[x509.GeneralName, ...] = ()

    key: ClassVar[str] = "name_constraints"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.10, which has it critical"

    def describe(self) -> str:
        return self._said or "None: the extension is left out."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        if self._said:
            yield Finding("nameConstraints", Verdict.WRITTEN, f"{self._said}; {criticality(critical=True)}")

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.value is not None:
            yield extension(self.value, critical=True)

    @property
    def value(self) -> x509.NameConstraints | None:
        """The extension's value, or None where every name is free."""
        if not self.permitted and not self.excluded:
            return None
        return x509.NameConstraints(list(self.permitted) or None, list(self.excluded) or None)

    @property
    def _said(self) -> str:
        sides = (("only", self.permitted), ("never", self.excluded))
        return "; ".join(f"{word} {', '.join(map(described, names))}" for word, names in sides if names)


@dataclass(frozen=True)
class OcspNoCheckRule(Rule):
    """That nobody need ask whether the responder itself is revoked, for as long as its certificate lasts."""

    nocheck: bool = False

    key: ClassVar[str] = "ocsp_nocheck"
    clause: ClassVar[str] = "RFC 6960 section 4.2.2.2.1"

    def describe(self) -> str:
        return "Nobody asks whether the responder is revoked." if self.nocheck else "None: the extension is left out."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        if self.nocheck:
            yield Finding("ocspNoCheck", Verdict.WRITTEN, criticality(critical=False))

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if self.nocheck:
            yield extension(x509.OCSPNoCheck(), critical=False)


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
