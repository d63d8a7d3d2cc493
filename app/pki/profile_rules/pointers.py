"""Whether a certificate says where its revocation list, its issuer and an OCSP responder are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from app.pki.certificate_template import Pointer
from app.pki.profile_rules.rule import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest

_FIELDS: Final = {
    Pointer.CRL: "cRLDistributionPoints",
    Pointer.FRESHEST_CRL: "freshestCRL",
    Pointer.CA_ISSUERS: "authorityInfoAccess",
    Pointer.OCSP: "authorityInfoAccess",
}


@dataclass(frozen=True)
class PointersRule(Rule):
    """What the CA writes about where to look; it knows the URLs, and writes none when it has none."""

    pointers: frozenset[Pointer] = frozenset(Pointer)

    key: ClassVar[str] = "crl_distribution_points, freshest_crl, authority_information"
    clause: ClassVar[str] = "RFC 5280 sections 4.2.1.13, 4.2.1.15 and 4.2.2.1"

    def describe(self) -> str:
        named = ", ".join(pointer for pointer in Pointer if pointer in self.pointers)
        return f"Where MIDCA_PUBLIC_URL is set, its URLs: {named}." if named else "No URLs."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for pointer in Pointer:
            if pointer in self.pointers:
                reason = f"The CA names its URL ({pointer}) where MIDCA_PUBLIC_URL is set."
                yield Finding(_FIELDS[pointer], Verdict.WRITTEN, reason)
