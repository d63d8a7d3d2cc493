"""What a profile would make of a request, and why, without signing: no CA key, no serial, nothing written."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from app.errors import Conflict, InvalidInput, NotAllowed, ProfileViolation, SigningUnavailable
from app.operations.authority_standing import check_not_revoked
from app.pki import distinguished_name
from app.pki.certificate_template import Pointer
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import Verdict

if TYPE_CHECKING:
    from cryptography import x509

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.drafts import Drafts
    from app.operations.end_entities import EndEntities
    from app.operations.uniqueness import Uniqueness
    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.certificate_template import CertificateTemplate
    from app.pki.distribution_points import DistributionPoints
    from app.pki.period import Period
    from app.store.database import Database

_NO_SERIAL: Final = 1
_POINTERS: Final = {
    Pointer.CRL: ("cRLDistributionPoints", "RFC 5280 section 4.2.1.13"),
    Pointer.FRESHEST_CRL: ("freshestCRL", "RFC 5280 section 4.2.1.15"),
    Pointer.CA_ISSUERS: ("authorityInfoAccess", "RFC 5280 section 4.2.2.1"),
    Pointer.OCSP: ("authorityInfoAccess", "RFC 5280 section 4.2.2.1"),
}

_Check = tuple[str, str, str, Callable[[], object]]
"""Field, key and clause of a decision, and what raises the refusal."""


@dataclass(frozen=True)
class Decision:
    """What became of one field, and why; ``key`` is where the profile's file says so, ``clause`` who says it may."""

    field: str
    verdict: Verdict
    reason: str
    key: str
    clause: str


@dataclass(frozen=True)
class Explanation:
    """All decisions, and the certificate they lead to as a draft that no CA signed; None where one refuses."""

    profile: CertificateProfile
    ca_name: str
    decisions: tuple[Decision, ...]
    draft: x509.Certificate | None

    @property
    def refused(self) -> bool:
        """True when nothing would be signed."""
        return self.draft is None


@dataclass(frozen=True)
class Explanations:
    """Explains for an end entity that is there, or for a subject that might be."""

    database: Database
    authorities: Authorities
    end_entities: EndEntities
    uniqueness: Uniqueness
    drafts: Drafts
    now: Callable[[], datetime]

    def explain(
        self,
        profile: CertificateProfile,
        csr: str,
        actor: Actor,
        *,
        entity: str | None = None,
        subject: str | None = None,
        ca: str | None = None,
        period: Period | None = None,
    ) -> Explanation:
        """Explain ``csr`` (base64 of DER, or PEM) and the dates that come with it, for an end entity or a subject.

        Raises a :class:`~app.errors.Refusal` when the request cannot be read, its key does not sign it, or there is no
        such end entity or CA, and for a tenant's caller when the end entity, or the subject's CN, is out of reach.
        Whatever the profile refuses is in the explanation.
        """
        if entity is not None:
            actor.check_reach(entity)
        request = CertificationRequest.from_text(csr)
        asked, ca_name = self._for_whom(request, entity, subject, period)
        actor.check_reach(asked.username)  # for a subject it is the CN
        authority = self._authority(ca or ca_name)
        decisions = [
            Decision(finding.field, finding.verdict, finding.reason, rule.key, rule.clause)
            for rule, finding in profile.judge(asked)
        ]
        decisions += self._of_the_ca(profile, asked, authority)
        draft = None
        if not any(decision.verdict is Verdict.REFUSED for decision in decisions):
            template = profile.apply(asked)
            draft = self.drafts.draft(authority, template, serial=_NO_SERIAL, now=self.now())
        return Explanation(profile, authority.name, tuple(decisions), draft)

    def _for_whom(
        self, request: CertificationRequest, entity: str | None, subject: str | None, period: Period | None
    ) -> tuple[EnrolmentRequest, str | None]:
        if (entity is None) == (subject is None):
            raise InvalidInput("Say for whom: either an end entity or a subject.")
        if entity is not None:
            found = self.end_entities.find(entity)
            return EnrolmentRequest.for_entity(request, found, period), found.ca_name
        name = distinguished_name.parse(subject or "")
        asked = EnrolmentRequest.of(request, distinguished_name.common_name(name) or "", name)
        return replace(asked, asked=(period,) if period else ()), None

    def _authority(self, name: str | None) -> CertificateAuthority:
        if name is not None:
            return self.authorities.for_end_entities(name)
        return next(authority for authority in self.authorities if authority.signs_end_entities)

    def _of_the_ca(
        self, profile: CertificateProfile, asked: EnrolmentRequest, authority: CertificateAuthority
    ) -> list[Decision]:
        """Return what the CA itself decides, whatever the profile; of a request the profile refuses only the issuer."""
        may_be_issuer = (
            ("issuer", "", "RFC 5280 section 6.1.3", partial(check_not_revoked, self.database, authority)),
            ("issuer", "cas", "EJBCA availablecas", partial(profile.check_authority, authority.name)),
        )
        if (refused := _first_refused(may_be_issuer)) is not None:
            return [refused]
        if any(finding.verdict is Verdict.REFUSED for _, finding in profile.judge(asked)):
            return []
        try:
            template = profile.apply(asked)
        except ProfileViolation as violation:
            return [Decision("certificate", Verdict.REFUSED, str(violation), "", "RFC 5280 section 4.1")]
        if (refused := self._refusal(profile, asked, template, authority)) is not None:
            return [refused]
        written = (
            ("issuer", authority.subject_dn, "RFC 5280 section 4.1.2.4"),
            ("serialNumber", "Drawn when it is signed.", "RFC 5280 section 4.1.2.2"),
            ("authorityKeyIdentifier", "The CA's subjectKeyIdentifier; not critical.", "RFC 5280 section 4.2.1.1"),
            *_pointers(template.pointers, authority.points),
        )
        return [Decision(name, Verdict.WRITTEN, reason, "", clause) for name, reason, clause in written]

    def _refusal(
        self,
        profile: CertificateProfile,
        asked: EnrolmentRequest,
        template: CertificateTemplate,
        authority: CertificateAuthority,
    ) -> Decision | None:
        """Return the first thing that would stop the CA, in the order in which it would be found."""
        now, subject_dn = self.now(), distinguished_name.to_string(asked.subject)
        holder = "EJBCA enforces unique keys and names"
        registered = partial(self.end_entities.check_subject, asked.username, subject_dn, authority.name)
        held = partial(self.uniqueness.check, asked, template, profile, authority.name, now)
        linted = partial(self.drafts.check, authority, profile, template, serial=_NO_SERIAL, now=now)
        checks: tuple[_Check, ...] = (
            ("issuer", "", "RFC 5280 section 6.1.3", partial(authority.check_usable, now)),
            ("validity", "validity", "RFC 5280 section 4.1.2.5", partial(authority.dates, template, now)),
            ("names", "", "RFC 5280 section 4.2.1.10", partial(authority.check_names, template)),
            ("holder", "", holder, registered),
            ("holder", "", holder, held),
            ("certificate", "lint", "pkilint, RFC 5280", linted),
        )
        return _first_refused(checks)


def _first_refused(checks: Iterable[_Check]) -> Decision | None:
    for name, key, clause, check in checks:
        try:
            check()
        except (Conflict, NotAllowed, ProfileViolation, SigningUnavailable) as refusal:
            return Decision(name, Verdict.REFUSED, str(refusal), key, clause)
    return None


def _pointers(wanted: Collection[Pointer], points: DistributionPoints | None) -> Iterator[tuple[str, str, str]]:
    """Yield field, reason and clause of each URL that the CA would name."""
    if points is None:
        return
    for pointer, (name, clause) in _POINTERS.items():
        if pointer in wanted and (points.deltas or pointer is not Pointer.FRESHEST_CRL):
            by_serial = points.partitions and pointer in {Pointer.CRL, Pointer.FRESHEST_CRL}
            which = f", one of {points.partitions} by the serial" if by_serial else ""
            yield name, f"The URL for {pointer} below {points.base_urls[0]}{which}; not critical.", clause
