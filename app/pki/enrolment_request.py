"""A certification request together with the end entity that brings it: all that a profile looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.pki.certification_request import CertificationRequest
from app.pki.distinguished_name import common_name

if TYPE_CHECKING:
    from cryptography import x509


@dataclass(frozen=True)
class EnrolmentRequest(CertificationRequest):
    """``username`` and ``subject`` are the end entity's, as it was registered; the rest is the request's."""

    username: str
    subject: x509.Name

    @classmethod
    def of(cls, request: CertificationRequest, username: str, subject: x509.Name) -> EnrolmentRequest:
        """Put a request and an end entity together."""
        return cls(**{**vars(request), "username": username, "subject": subject})

    @property
    def placeholders(self) -> dict[str, str]:
        """What a profile's templates may name."""
        return {"username": self.username, "common_name": common_name(self.subject) or ""}
