"""Certificate profiles: what of a request is kept, written, dropped or refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from app.errors import NotAllowed, ProfileViolation
from app.pki.certificate_lint import LintLevel
from app.pki.certificate_template import CertificateTemplate
from app.pki.profile_rules import (
    AlternativeNamesRule,
    CertificatePoliciesRule,
    ExtendedKeyUsageRule,
    Finding,
    HolderRule,
    KeyRule,
    MustStapleRule,
    NameConstraintsRule,
    OcspNoCheckRule,
    OtherExtensionsRule,
    PointersRule,
    ProfileType,
    StaticExtensionsRule,
    SubjectKeyIdentifierRule,
    SubjectRule,
    Verdict,
)

if TYPE_CHECKING:
    from datetime import timedelta

    from cryptography.hazmat.primitives import hashes

    from app.pki.enrolment_request import EnrolmentRequest
    from app.pki.profile_rules import BasicConstraintsRule, KeyUsageRule, Rule, ValidityRule


@dataclass(frozen=True)
class CertificateProfile:
    """A validated profile.

    ``type`` is for whom it is; those of CAs and OCSP responders certify no request. ``sha256`` is of the file it was
    read from, ``text``; ``cas`` None means any CA may use it; ``hash_algorithm`` None that the CA's key decides. With
    ``renewal_with_same_key`` False a public key is certified once; ``single_active_certificate`` (EJBCA's term): a new
    certificate takes its holder's earlier ones out of use; ``lint`` from which severity on a linter's finding refuses;
    ``renewal_window`` how long before the end of its certificate an end entity may enrol again with the password it
    has, or with the certificate.
    """

    name: str
    sha256: str
    key_usage: KeyUsageRule
    basic_constraints: BasicConstraintsRule
    validity: ValidityRule
    hash_algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
    type: ProfileType = ProfileType.END_ENTITY
    cas: frozenset[str] | None = None
    key: KeyRule = field(default_factory=KeyRule)
    subject: SubjectRule = field(default_factory=SubjectRule)
    alternative_names: AlternativeNamesRule = field(default_factory=AlternativeNamesRule)
    extended_key_usage: ExtendedKeyUsageRule = field(default_factory=ExtendedKeyUsageRule)
    name_constraints: NameConstraintsRule = field(default_factory=NameConstraintsRule)
    ocsp_nocheck: OcspNoCheckRule = field(default_factory=OcspNoCheckRule)
    policies: CertificatePoliciesRule = field(default_factory=CertificatePoliciesRule)
    must_staple: MustStapleRule = field(default_factory=MustStapleRule)
    static_extensions: StaticExtensionsRule = field(default_factory=StaticExtensionsRule)
    other_extensions: OtherExtensionsRule = field(default_factory=OtherExtensionsRule)
    pointers: PointersRule = field(default_factory=PointersRule)
    renewal_with_same_key: bool = True
    single_active_certificate: bool = False
    renewal_window: timedelta | None = None
    lint: LintLevel = LintLevel.OFF
    text: str = field(default="", repr=False)

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in the order in which their findings are listed and their extensions stand."""
        for_all = (
            self.validity,
            self.basic_constraints,
            self.key_usage,
            self.extended_key_usage,
            SubjectKeyIdentifierRule(),
        )
        if self.type is not ProfileType.END_ENTITY:
            only_here = (self.name_constraints,) if self.type is ProfileType.CA else (self.ocsp_nocheck,)
            for_cas = (*only_here, self.policies, self.pointers, self.static_extensions)
            return (HolderRule(self.type), *for_all, *for_cas)
        return (
            self.subject,
            self.key,
            *for_all,
            self.alternative_names,
            self.policies,
            self.must_staple,
            self.pointers,
            self.static_extensions,
            self.other_extensions,
        )

    def check_authority(self, ca_name: str) -> None:
        """Raise :class:`NotAllowed` unless the CA may issue by this profile."""
        if self.cas is not None and ca_name not in self.cas:
            raise NotAllowed(f"Certificate profile {self.name} may not be used with CA {ca_name}.")

    def judge(self, request: EnrolmentRequest) -> tuple[tuple[Rule, Finding], ...]:
        """Return what each rule makes of each field of the request."""
        return tuple((rule, finding) for rule in self.rules for finding in rule.judge(request))

    def apply(self, request: EnrolmentRequest) -> CertificateTemplate:
        """Return what will be signed, or raise :class:`ProfileViolation` with every broken rule.

        The request's own subject is ignored: whom a certificate is for is the end entity's matter (EJBCA without "allow
        subject DN override").
        """
        if refused := [finding.reason for _, finding in self.judge(request) if finding.verdict is Verdict.REFUSED]:
            raise ProfileViolation(dict.fromkeys(refused))
        return self._template(request)

    def apply_to_own(self, holder: EnrolmentRequest) -> CertificateTemplate:
        """Return what will be signed for a CA or an OCSP responder of the program itself; nobody else asks for those.

        ``holder`` brings a key and a name, and its extensions count for nothing.
        """
        if self.type is ProfileType.END_ENTITY:
            raise NotAllowed(f"Certificate profile {self.name} is for end entities.")
        return self._template(holder)

    def _template(self, asked: EnrolmentRequest) -> CertificateTemplate:
        try:
            subject = self.subject.subject(asked)
            extensions = tuple(extension for rule in self.rules for extension in rule.extensions(asked))
            for extension in extensions:
                extension.value.public_bytes()
        except (ValueError, TypeError, NotImplementedError) as error:  # the library's, for what it cannot encode
            raise ProfileViolation([f"By the profile {self.name} no certificate can be made of it: {error}"]) from error
        return CertificateTemplate(
            subject=subject,
            public_key=asked.public_key,
            validity=self.validity.validity,
            backdated=self.validity.backdated,
            asked=asked.asked,
            longest=self.validity.longest,
            no_end_on=self.validity.no_end_on,
            extensions=extensions,
            hash_algorithm=self.hash_algorithm,
            profile=self.name,
            profile_sha256=self.sha256,
            pointers=self.pointers.pointers,
            supersedes=self.single_active_certificate,
        )
