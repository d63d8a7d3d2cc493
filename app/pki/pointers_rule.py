"""Whether a certificate says where its revocation list, its issuer and an OCSP responder are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from app.pki.certificate_template import Pointer
from app.pki.profile_rules import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.certification_request import CertificationRequest


@dataclass(frozen=True)
class PointersRule(Rule):
    """What the CA writes about where to look; it knows the URLs, and writes none when it has none."""

    pointers: frozenset[Pointer]

    clause: ClassVar[str] = "RFC 5280 sections 4.2.1.13, 4.2.1.15 and 4.2.2.1"
    _FIELDS: ClassVar[dict[Pointer, str]] = {
        Pointer.CRL: "cRLDistributionPoints",
        Pointer.FRESHEST_CRL: "freshestCRL",
        Pointer.CA_ISSUERS: "authorityInfoAccess",
        Pointer.OCSP: "authorityInfoAccess",
    }

    def judge(self, request: CertificationRequest) -> Iterator[Finding]:
        for pointer in Pointer:
            if pointer in self.pointers:
                reason = f"The CA names its URL ({pointer}) where MIDCA_PUBLIC_URL is set."
                yield Finding(self._FIELDS[pointer], Verdict.WRITTEN, reason)
