"""Certificates that no CA signed: to be shown, and to be looked at by a linter before the CA signs the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.errors import ProfileViolation
from app.pki import certificate_lint
from app.pki.certificate_authority import self_signed
from app.pki.certificate_lint import LintLevel
from app.pki.declared_authority import generate_like

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.certificate_template import CertificateTemplate


@dataclass(frozen=True)
class Drafts:
    """Signs with throw-away keys, of the kind of each CA's: what is signed is the same to the last bit."""

    _keys: dict[str, CertificateIssuerPrivateKeyTypes] = field(default_factory=dict, repr=False)

    def draft(
        self, authority: CertificateAuthority, template: CertificateTemplate, *, serial: int, now: datetime
    ) -> x509.Certificate:
        """Return what the CA would sign, signed by another key."""
        return authority.draft(template, serial=serial, now=now, key=self._key(authority))

    def check(
        self,
        authority: CertificateAuthority,
        profile: CertificateProfile,
        template: CertificateTemplate,
        *,
        serial: int,
        now: datetime,
    ) -> None:
        """Raise :class:`ProfileViolation` with what the linter has against the very certificate that is to be signed.

        What a linter finds is mostly the profile's fault, but the request must be refused all the same.
        """
        if profile.lint is not LintLevel.OFF:
            _refuse_findings(profile, self.draft(authority, template, serial=serial, now=now))

    def check_root(
        self, profile: CertificateProfile, template: CertificateTemplate, *, serial: int, not_before: datetime
    ) -> None:
        """Do the same for a CA that signs itself: by a key of the same kind, which is not its own."""
        if profile.lint is not LintLevel.OFF:
            key = generate_like(template.public_key)
            draft = self_signed(template, key, serial=serial, not_before=not_before, record=lambda _: None)
            _refuse_findings(profile, draft)

    def _key(self, authority: CertificateAuthority) -> CertificateIssuerPrivateKeyTypes:
        """Return the throw-away key, one for each CA and process: RSA keys take a while to make."""
        if authority.name not in self._keys:
            self._keys[authority.name] = generate_like(authority.certificate.public_key())
        return self._keys[authority.name]


def _refuse_findings(profile: CertificateProfile, draft: x509.Certificate) -> None:
    if found := certificate_lint.findings(draft, profile.lint):
        raise ProfileViolation(dict.fromkeys(f"The linter refuses the certificate: {finding}." for finding in found))
