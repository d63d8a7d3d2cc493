"""What a rule is: it looks at a request and says, field by field, what it keeps, writes, drops or refuses.

A rule contributes its extensions to an empty template: nothing of a request reaches a certificate but through a rule.
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest

NEVER_FROM_A_REQUEST: Final = frozenset(
    {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,  # as a whole: a request could name keyCertSign or cRLSign
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.POLICY_MAPPINGS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.SUBJECT_INFORMATION_ACCESS,
        ExtensionOID.PRECERT_POISON,
        ExtensionOID.OCSP_NO_CHECK,
        x509.ObjectIdentifier("1.3.6.1.5.5.7.1.14"),  # proxyCertInfo: its holder issues certificates (RFC 3820)
        x509.ObjectIdentifier("2.16.840.1.113730.1.1"),  # netscape-cert-type, which has bits for CAs
    }
)
"""What makes a CA of a leaf, or points verifiers elsewhere: no profile lets a request bring it, or writes its bytes."""


class Verdict(StrEnum):
    """What a rule did to one field."""

    KEPT = "kept"
    WRITTEN = "written"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True)
class Finding:
    """One field, what became of it, and why, in a sentence."""

    field: str
    verdict: Verdict
    reason: str


def criticality(*, critical: bool) -> str:
    """Return how a finding says whether an extension is critical."""
    return "critical" if critical else "not critical"


class Rule(ABC):
    """One clause of a profile. ``key`` is where the profile's file says it."""

    key: ClassVar[str] = ""
    clause: ClassVar[str]

    def describe(self) -> str:
        """Say what the rule does, whatever the request; the empty text where it does nothing."""
        return type(self).__name__

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        """Yield a finding for each field of ``request`` that this rule governs."""
        yield from ()

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        """Yield the extensions this rule puts into the certificate; only asked when nothing was refused."""
        yield from ()
