"""Certificate profiles: what of a request is kept, written, dropped or refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from app.errors import NotAllowed, ProfileViolation
from app.pki.certificate_lint import LintLevel
from app.pki.certificate_template import CertificateTemplate
from app.pki.distinguished_name import common_name
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import (
    CertificatePoliciesRule,
    Finding,
    MustStapleRule,
    OtherExtensionsRule,
    PointersRule,
    StaticExtensionsRule,
    SubjectKeyIdentifierRule,
    SubjectRule,
    Verdict,
)

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    from app.pki.certification_request import CertificationRequest
    from app.pki.profile_rules import (
        AlternativeNamesRule,
        BasicConstraintsRule,
        ExtendedKeyUsageRule,
        KeyRule,
        KeyUsageRule,
        Rule,
        ValidityRule,
    )


@dataclass(frozen=True)
class CertificateProfile:
    """A validated profile.

    ``sha256`` is of the file it was read from, ``text``; ``cas`` None means any CA may use it; ``hash_algorithm`` None
    that the CA's key decides. With ``renewal_with_same_key`` False a public key is certified once;
    ``single_active_certificate`` (EJBCA's term): a new certificate takes its holder's earlier ones out of use; ``lint``
    from which severity on a linter's finding refuses; ``renewal_window`` how long before the end of its certificate an
    end entity may enrol again with the password it has.
    """

    name: str
    sha256: str
    cas: frozenset[str] | None
    key: KeyRule
    alternative_names: AlternativeNamesRule
    key_usage: KeyUsageRule
    extended_key_usage: ExtendedKeyUsageRule
    basic_constraints: BasicConstraintsRule
    validity: ValidityRule
    hash_algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
    subject: SubjectRule = field(default_factory=SubjectRule)
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
        return (
            self.subject,
            self.key,
            self.validity,
            self.basic_constraints,
            self.key_usage,
            self.extended_key_usage,
            SubjectKeyIdentifierRule(),
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

    def apply(
        self, request: CertificationRequest, subject: x509.Name, username: str | None = None
    ) -> CertificateTemplate:
        """Return what will be signed, or raise :class:`ProfileViolation` with every broken rule.

        ``subject`` and ``username`` (None: the subject's common name) are the end entity's. The request's own subject
        is ignored: whom a certificate is for is the end entity's matter (EJBCA without "allow subject DN override").
        """
        asked = EnrolmentRequest.of(request, username or common_name(subject) or "", subject)
        if refused := [finding.reason for _, finding in self.judge(asked) if finding.verdict is Verdict.REFUSED]:
            raise ProfileViolation(dict.fromkeys(refused))
        try:
            return self._template(asked)
        except (ValueError, TypeError, NotImplementedError) as error:  # the library's, for what it cannot encode
            raise ProfileViolation([f"By the profile {self.name} no certificate can be made of it: {error}"]) from error

    def _template(self, asked: EnrolmentRequest) -> CertificateTemplate:
        end = self.validity.validity
        extensions = tuple(extension for rule in self.rules for extension in rule.extensions(asked))
        for extension in extensions:
            extension.value.public_bytes()
        return CertificateTemplate(
            subject=self.subject.subject(asked),
            public_key=asked.public_key,
            validity=end if isinstance(end, timedelta) else timedelta.max,
            not_after=end if isinstance(end, datetime) else None,
            backdated=self.validity.backdated,
            extensions=extensions,
            hash_algorithm=self.hash_algorithm,
            profile=self.name,
            profile_sha256=self.sha256,
            pointers=self.pointers.pointers,
            supersedes=self.single_active_certificate,
        )
