"""A certification request together with the end entity that brings it: all that a profile looks at."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cryptography import x509

from app.pki import alternative_name, distinguished_name
from app.pki.certification_request import CertificationRequest
from app.pki.key_identity import public_key_sha256_of
from app.pki.period import Period

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from app.pki.end_entity import EndEntity


@dataclass(frozen=True)
class EnrolmentRequest(CertificationRequest):
    """``username``, ``subject`` and ``alternative_names`` are the end entity's, as it was registered.

    ``asked`` are the dates that it and the request ask for; the rest is the request's.
    """

    username: str
    subject: x509.Name
    alternative_names: tuple[x509.GeneralName, ...] = field(default=(), kw_only=True)
    asked: tuple[Period, ...] = field(default=(), kw_only=True)

    @classmethod
    def of(cls, request: CertificationRequest, username: str, subject: x509.Name) -> EnrolmentRequest:
        """Put a request and a name together, for which nothing else is registered."""
        return cls(**{**vars(request), "username": username, "subject": subject})

    @classmethod
    def for_entity(
        cls, request: CertificationRequest, entity: EndEntity, asked: Period | None = None
    ) -> EnrolmentRequest:
        """Put a request, and the dates that come with it, together with an end entity."""
        return cls(
            **vars(request),
            username=entity.username,
            subject=distinguished_name.parse(entity.subject_dn),
            alternative_names=alternative_name.parse(entity.subject_alt_name),
            asked=tuple(period for period in (entity.period, asked) if period),
        )

    @classmethod
    def own(cls, public_key: CertificatePublicKeyTypes, subject: x509.Name) -> EnrolmentRequest:
        """Return what the program asks of itself for a key of its own: nothing but the name."""
        username = distinguished_name.common_name(subject) or ""
        sha256 = public_key_sha256_of(public_key)
        return cls(public_key, x509.Extensions([]), "", sha256, subject, username=username, subject=subject)

    @property
    def placeholders(self) -> dict[str, str]:
        """What a profile's templates may name."""
        return {"username": self.username, "common_name": distinguished_name.common_name(self.subject) or ""}
