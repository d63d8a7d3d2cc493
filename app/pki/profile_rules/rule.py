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
        # Earlier names of the same, which some verifiers still read (X.509 of 1993 and its drafts).
        x509.ObjectIdentifier("2.5.29.1"),  # authorityKeyIdentifier
        x509.ObjectIdentifier("2.5.29.10"),  # basicConstraints
        # Extensions of revocation lists and their entries (RFC 5280 section 5), which mean nothing in a certificate.
        ExtensionOID.CRL_NUMBER,
        x509.ObjectIdentifier("2.5.29.21"),  # cRLReason
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)
"""What makes a CA of a leaf, or points verifiers elsewhere: no profile lets a request bring it, or writes its bytes."""

# Microsoft's: application policies (an alias of the extended key usage), certificate templates, CA versions, security
# identifiers of accounts ([MS-WCCE] 2.2.2.7.7). Each of them says something that a domain acts on.
_MICROSOFT: Final = "1.3.6.1.4.1.311."


def is_the_cas_alone(oid: x509.ObjectIdentifier) -> bool:
    """Return whether only the CA itself may write the extension."""
    return oid in NEVER_FROM_A_REQUEST or oid.dotted_string.startswith(_MICROSOFT)


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
