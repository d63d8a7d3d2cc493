"""Certificate profiles: what of a request is kept, written, dropped or refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import NotAllowed, ProfileViolation
from app.pki.certificate_template import CertificateTemplate
from app.pki.profile_rules import OtherExtensionsRule, SubjectKeyIdentifierRule, Verdict

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    from app.pki.certification_request import CertificationRequest
    from app.pki.pointers_rule import PointersRule
    from app.pki.profile_rules import (
        AlternativeNamesRule,
        BasicConstraintsRule,
        ExtendedKeyUsageRule,
        Finding,
        KeyRule,
        KeyUsageRule,
        Rule,
        ValidityRule,
    )


@dataclass(frozen=True)
class CertificateProfile:
    """A validated profile. ``sha256`` is of the file it was read from; ``cas`` None means any CA may use it.

    ``single_active_certificate`` (EJBCA's term): a new certificate takes its holder's earlier ones out of use.
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
    hash_algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512
    pointers: PointersRule
    single_active_certificate: bool = False

    @property
    def rules(self) -> tuple[Rule, ...]:
        """All rules in the order in which their findings are listed and their extensions stand."""
        return (
            self.key,
            self.validity,
            self.basic_constraints,
            self.key_usage,
            self.extended_key_usage,
            SubjectKeyIdentifierRule(),
            self.alternative_names,
            self.pointers,
            OtherExtensionsRule(),
        )

    def check_authority(self, ca_name: str) -> None:
        """Raise :class:`NotAllowed` unless the CA may issue by this profile."""
        if self.cas is not None and ca_name not in self.cas:
            raise NotAllowed(f"Certificate profile {self.name} may not be used with CA {ca_name}.")

    def judge(self, request: CertificationRequest) -> tuple[Finding, ...]:
        """Return what each rule makes of each field of the request."""
        return tuple(finding for rule in self.rules for finding in rule.judge(request))

    def apply(self, request: CertificationRequest, subject: x509.Name) -> CertificateTemplate:
        """Return what will be signed for ``subject``, or raise :class:`ProfileViolation` with every broken rule.

        The request's own subject is ignored: whom a certificate is for is the end entity's matter (EJBCA without
        "allow subject DN override").
        """
        if refused := [finding.reason for finding in self.judge(request) if finding.verdict is Verdict.REFUSED]:
            raise ProfileViolation(dict.fromkeys(refused))
        return CertificateTemplate(
            subject=subject,
            public_key=request.public_key,
            validity=self.validity.validity,
            backdated=self.validity.backdated,
            extensions=tuple(extension for rule in self.rules for extension in rule.extensions(request)),
            hash_algorithm=self.hash_algorithm,
            profile=self.name,
            profile_sha256=self.sha256,
            pointers=self.pointers.pointers,
            supersedes=self.single_active_certificate,
        )
