"""One key, one holder, and one name: what no profile decides, because it takes a look at all certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import KeyCompromised, KeyInUse, SubjectInUse
from app.pki.revocation import RevocationReason

if TYPE_CHECKING:
    from datetime import datetime

    from app.operations.authorities import Authorities
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.certificate_template import CertificateTemplate
    from app.pki.enrolment_request import EnrolmentRequest
    from app.store.certificate_holders import CertificateHolders


@dataclass(frozen=True)
class Uniqueness:
    """Holds a key and a subject against the CAs' and against every certificate there ever was.

    ``log_key`` is what the key that signs the audit log is known again by; no certificate names it, and none shall.
    """

    authorities: Authorities
    holders: CertificateHolders
    log_key: str

    def check(
        self,
        asked: EnrolmentRequest,
        template: CertificateTemplate,
        profile: CertificateProfile,
        ca_name: str,
        now: datetime,
    ) -> None:
        """Raise a :class:`Conflict` unless the end entity may have its key certified for the template's subject."""
        self._check_key(asked, profile)
        self._check_subject(asked.username, template, ca_name, now)

    def _check_key(self, asked: EnrolmentRequest, profile: CertificateProfile) -> None:
        username, key = asked.username, asked.public_key_sha256
        if self.authorities.holder_of_key(key) is not None:
            raise KeyInUse(f"User '{username}' is not allowed to use the key of a CA.")
        if key == self.log_key:
            raise KeyInUse(f"User '{username}' is not allowed to use the key of the audit log.")
        certified = self.holders.of_key(key)
        if any(holder != username for holder, _ in certified):
            raise KeyInUse(f"User '{username}' is not allowed to use same key as another user is using.")
        if any(reason is RevocationReason.KEYCOMPROMISE for _, reason in certified):
            raise KeyCompromised(
                f"The key of user '{username}' was revoked as compromised and is never certified again; make a new one."
            )
        if certified and not profile.renewal_with_same_key:
            raise KeyInUse(
                f"The profile {profile.name} certifies a key once, and this one of user '{username}' has a certificate "
                "already; make a new one."
            )

    def _check_subject(self, username: str, template: CertificateTemplate, ca_name: str, now: datetime) -> None:
        """Another's good certificate may hold even a registered name: by a profile, or after its holder was deleted."""
        if self.authorities.holder_of_subject(template.subject) is not None:
            raise SubjectInUse(f"User '{username}' is not allowed to use the subject of a CA.")
        holder = self.holders.holder_of_subject(ca_name, template.subject_dn, now, other_than=username)
        if holder is not None:
            raise SubjectInUse(
                f"User '{username}' is not allowed to use same subject DN as the user(s) '{holder}' is/are using "
                "while issued by the same CA."
            )
