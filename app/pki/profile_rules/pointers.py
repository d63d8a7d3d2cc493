"""Whether a certificate says where its revocation list, its issuer and an OCSP responder are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from app.pki.certificate_template import Pointer
from app.pki.profile_rules.rule import Rule


@dataclass(frozen=True)
class PointersRule(Rule):
    """What the CA writes about where to look. It has no findings: the CA knows the URLs, and whether it has any."""

    pointers: frozenset[Pointer] = frozenset(Pointer)

    key: ClassVar[str] = "crl_distribution_points, freshest_crl, authority_information"
    clause: ClassVar[str] = "RFC 5280 sections 4.2.1.13, 4.2.1.15 and 4.2.2.1"

    def describe(self) -> str:
        named = ", ".join(pointer for pointer in Pointer if pointer in self.pointers)
        return f"Where MIDCA_PUBLIC_URL is set, its URLs: {named}." if named else "No URLs."
