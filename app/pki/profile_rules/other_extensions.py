"""Extensions that no rule of their own governs: kept by name, written as they stand, or dropped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509
from cryptography.hazmat import asn1
from cryptography.x509.oid import ExtensionOID

from app.pki.profile_rules.rule import Finding, Rule, Verdict, criticality, is_the_cas_alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest

_NAMES: Final = {
    ExtensionOID.BASIC_CONSTRAINTS: "basicConstraints",
    ExtensionOID.KEY_USAGE: "keyUsage",
    ExtensionOID.EXTENDED_KEY_USAGE: "extKeyUsage",
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: "subjectKeyIdentifier",
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: "authorityKeyIdentifier",
    ExtensionOID.NAME_CONSTRAINTS: "nameConstraints",
    ExtensionOID.CERTIFICATE_POLICIES: "certificatePolicies",
    ExtensionOID.CRL_DISTRIBUTION_POINTS: "cRLDistributionPoints",
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: "authorityInfoAccess",
    ExtensionOID.TLS_FEATURE: "tlsFeature",
}


@dataclass(frozen=True)
class StaticExtensionsRule(Rule):
    """Extensions with a value that is the same in every certificate (EJBCA: custom extensions of encoding RAW)."""

    values: tuple[x509.Extension[x509.UnrecognizedExtension], ...] = ()

    key: ClassVar[str] = "extensions"
    clause: ClassVar[str] = "RFC 5280 section 4.2; EJBCA custom certificate extensions"

    def describe(self) -> str:
        listed = (f"{value.oid.dotted_string}{' (critical)' if value.critical else ''}" for value in self.values)
        return ", ".join(listed) or "None."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for value in self.values:
            yield Finding(
                value.oid.dotted_string,
                Verdict.WRITTEN,
                f"DER {value.value.value.hex()}; {criticality(critical=value.critical)}",
            )

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield from self.values


@dataclass(frozen=True)
class OtherExtensionsRule(Rule):
    """All else that a request asks for: kept where the profile lists it, or dropped, or refused where it is critical.

    ``written`` are extensions that another rule of the profile writes; what a request says of them is dropped.
    """

    kept: frozenset[x509.ObjectIdentifier] = frozenset()
    written: frozenset[x509.ObjectIdentifier] = frozenset()

    key: ClassVar[str] = "keep_extensions"
    clause: ClassVar[str] = "RFC 5280 section 4.2; EJBCA allowextensionoverride, overridableextensionoids"
    GOVERNED: ClassVar[frozenset[x509.ObjectIdentifier]] = frozenset(
        {ExtensionOID.SUBJECT_ALTERNATIVE_NAME, ExtensionOID.EXTENDED_KEY_USAGE}
    )
    """What has a rule of its own, whatever the profile: never kept as it came."""
    _OVERWRITTEN: ClassVar[frozenset[x509.ObjectIdentifier]] = GOVERNED | {
        ExtensionOID.BASIC_CONSTRAINTS,
        ExtensionOID.KEY_USAGE,
        ExtensionOID.NAME_CONSTRAINTS,
        ExtensionOID.POLICY_CONSTRAINTS,
        ExtensionOID.INHIBIT_ANY_POLICY,
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.SUBJECT_KEY_IDENTIFIER,
        ExtensionOID.CRL_DISTRIBUTION_POINTS,
        ExtensionOID.FRESHEST_CRL,
        ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
        ExtensionOID.PRECERT_POISON,
    }

    def describe(self) -> str:
        listed = ", ".join(sorted(oid.dotted_string for oid in self.kept))
        return f"Kept from the request: {listed}." if listed else "Dropped; refused where the request says critical."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for requested in request.extensions:
            if requested.oid != ExtensionOID.SUBJECT_ALTERNATIVE_NAME:
                yield self._finding(requested, request.extension_values.get(requested.oid))

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        yield from (requested for requested in request.extensions if self._keeps(requested.oid))

    def _keeps(self, oid: x509.ObjectIdentifier) -> bool:
        return oid in self.kept and oid not in self.GOVERNED and not is_the_cas_alone(oid)

    def _finding(self, requested: x509.Extension[x509.ExtensionType], asked: bytes | None) -> Finding:
        oid = requested.oid.dotted_string
        if self._keeps(requested.oid):
            if not _is_written_as_asked(requested.value, asked):
                reason = (
                    f"The extension {oid} of the request is not in DER, or could not be written as it stands there."
                )
                return Finding(oid, Verdict.REFUSED, reason)
            return Finding(
                oid, Verdict.KEPT, f"The profile lets the request bring it; {criticality(critical=requested.critical)}."
            )
        if requested.critical and requested.oid not in self._OVERWRITTEN | self.written:
            reason = f"The request insists (critical) on the extension {oid}, which the profile does not allow."
            return Finding(oid, Verdict.REFUSED, reason)
        named = f" ({_NAMES[requested.oid]})" if requested.oid in _NAMES else ""
        return Finding(oid, Verdict.DROPPED, f"The profile decides on this extension{named}, not the request.")


def _is_written_as_asked(value: x509.ExtensionType, asked: bytes | None) -> bool:
    """Whether the bytes go through: some types can be read and not written by the library, or are written otherwise."""
    try:
        written = value.public_bytes()
        asn1.decode_der(asn1.TLV, written)
    except (NotImplementedError, TypeError, ValueError):
        return False
    return written == asked
