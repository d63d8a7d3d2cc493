"""One key, one holder: what no profile decides, because it takes a look at all certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.errors import KeyCompromised, KeyInUse, SubjectInUse

if TYPE_CHECKING:
    from cryptography import x509

    from app.operations.authorities import Authorities
    from app.pki.certificate_profile import CertificateProfile
    from app.store.certificates import CertificateStore


@dataclass(frozen=True)
class Uniqueness:
    """Holds a key and a subject against the CAs' and against every certificate there ever was."""

    authorities: Authorities
    certificates: CertificateStore

    def check(self, username: str, public_key_sha256: str, subject: x509.Name, profile: CertificateProfile) -> None:
        """Raise a :class:`Conflict` unless ``username`` may have this key and subject certified."""
        if self.authorities.holder_of_key(public_key_sha256) is not None:
            raise KeyInUse(f"User '{username}' is not allowed to use the key of a CA.")
        if self.authorities.holder_of_subject(subject) is not None:
            raise SubjectInUse(f"User '{username}' is not allowed to use the subject of a CA.")
        if self.certificates.holder_of_key(public_key_sha256, other_than=username) is not None:
            raise KeyInUse(f"User '{username}' is not allowed to use same key as another user is using.")
        if self.certificates.is_key_compromised(public_key_sha256):
            raise KeyCompromised(
                f"The key of user '{username}' was revoked as compromised and is never certified again; make a new one."
            )
        if not profile.renewal_with_same_key and self.certificates.is_key_certified(public_key_sha256):
            raise KeyInUse(
                f"The profile {profile.name} certifies a key once, and this one of user '{username}' has a certificate "
                "already; make a new one."
            )
