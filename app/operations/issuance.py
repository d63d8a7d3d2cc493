"""The path of a certification request, top to bottom."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from operator import attrgetter
from typing import TYPE_CHECKING

from cryptography import x509

from app.errors import (
    EnrolmentRefused,
    NotAuthenticated,
    Refusal,
    TooManyFailures,
    Unavailable,
    WrongStatus,
)
from app.operations.authority_standing import check_not_revoked
from app.operations.enrolment import check_may_enrol, wrong_status
from app.operations.recorded_signing import Subject
from app.pki.certificate_authority import serial_hex
from app.pki.certification_request import CertificationRequest
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action
from app.store.certificates import CertificateState, CertificateType

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.drafts import Drafts
    from app.operations.enrolment import Enrolment
    from app.operations.profiles import Profiles
    from app.operations.recorded_signing import RecordedSigning
    from app.operations.uniqueness import Uniqueness
    from app.pki.end_entity import EndEntity
    from app.pki.period import Period
    from app.store.certificates import StoredCertificate

_MAX_AUDITED = 200


class LostTheRace(WrongStatus):
    """Another enrolment was first between our check and our claim."""

    code = WrongStatus.__name__  # which is what it is to everybody else


@dataclass(frozen=True)
class IssuedCertificate:
    """A certificate that may leave the process; ``serial`` is upper-case hex."""

    certificate: x509.Certificate
    serial: str


class RefusalBudget:
    """How many refusals of one kind a process records a minute, so that repeating a request does not fill the disk."""

    A_MINUTE = 30

    def __init__(self) -> None:
        """Begin with a full budget."""
        self._lock = threading.Lock()
        self._minute: datetime | None = None
        self._spent: Counter[str] = Counter()
        self._left_out: Counter[str] = Counter()

    def spend(self, code: str, now: datetime) -> int | None:
        """Return how many were left out since the last one recorded, or None when this one is left out too."""
        with self._lock:
            minute = now.replace(second=0, microsecond=0)
            if minute != self._minute:
                self._minute, self._spent = minute, Counter()
            if self._spent[code] >= self.A_MINUTE:
                self._left_out[code] += 1
                return None
            self._spent[code] += 1
            return self._left_out.pop(code, 0)


@dataclass(frozen=True)
class Issuance:
    """Signs requests of end entities. ``retry_window``: how long the same request gets the same certificate again.

    ``reenrol`` lets a right password sign again when the end entity is GENERATED, as later versions of EJBCA-REST did
    (they did not even ask for the password first); a revoked end entity never signs.
    """

    signing: RecordedSigning
    enrolment: Enrolment
    authorities: Authorities
    profiles: Profiles
    uniqueness: Uniqueness
    drafts: Drafts
    now: Callable[[], datetime]
    new_serial: Callable[[], int]
    retry_window: timedelta
    reenrol: bool
    budget: RefusalBudget = field(default_factory=RefusalBudget)

    def issue(
        self,
        username: str,
        password: str,
        csr: str,
        actor: Actor,
        period: Period | None = None,
        *,
        look: Callable[[CertificationRequest], None] = lambda _: None,
    ) -> IssuedCertificate:
        """Return a certificate for the end entity ``username`` from ``csr`` (base64 of DER, or PEM).

        ``period`` is from when to when it is asked to be good, where the profile lets a request ask for that; ``look``
        raises a refusal for a request that must not come the way it did.
        Raises a :class:`Refusal`: then nothing left the process, and state and password are as they were. The exception
        is :class:`Unavailable` after the password was spent: the same request, sent again, gets the certificate.
        """
        try:
            admitted = self.enrolment.admit(username, actor.address)
            request = CertificationRequest.from_text(csr)
            look(request)
            entity = self.enrolment.authenticate(username, admitted, password, actor.address)
            try:
                return self.issue_to(entity, request, period, actor, self._check_password_counts)
            except LostTheRace:  # the winner may have brought the same request, so look again
                admitted = self.enrolment.admit(username, actor.address)
                entity = self.enrolment.authenticate(username, admitted, password, actor.address)
                return self.issue_to(entity, request, period, actor, self._check_password_counts)
        except Refusal as refusal:
            self.record_refusal(username, refusal, actor)
            raise

    def issue_to(
        self,
        entity: EndEntity,
        request: CertificationRequest,
        period: Period | None,
        actor: Actor,
        check: Callable[[EndEntity], None],
    ) -> IssuedCertificate:
        """Return a certificate for an end entity that showed who it is.

        ``check`` raises unless what it showed lets it enrol now; it is asked before the work, and again when the work
        is about to be recorded. Raises :class:`LostTheRace` when the end entity is not any more what was given.
        """
        if (already := self._already_issued(entity, request, actor)) is not None:
            return _handed_out(already)
        check(entity)
        authority = self.authorities.for_end_entities(entity.ca_name)
        check_not_revoked(self.signing.database, authority)
        profile = self.profiles.for_end_entity(entity.certificate_profile)
        profile.check_authority(entity.ca_name)
        asked = EnrolmentRequest.for_entity(request, entity, period)
        template = profile.apply(asked)
        serial = self.new_serial()
        now = self.now()
        self.drafts.check(authority, profile, template, serial=serial, now=now)

        def claim() -> None:
            try:
                check(entity)
            except (EnrolmentRefused, NotAuthenticated) as refusal:  # who renewed a moment ago may not any more
                raise LostTheRace(str(refusal)) from refusal
            self.uniqueness.check(asked, template, profile, authority.name, now)
            if not self.signing.end_entities.claim(entity, serial_hex(serial), now):
                raise self._lost_race(entity.username)
            self.enrolment.reset(entity.username)

        subject = Subject(entity.username, CertificateType.END_ENTITY, request.sha256)
        particulars = authority.particulars(template, serial=serial, now=now)
        row = self.signing.pending_row(authority.name, template, particulars, subject)
        record = self.signing.recorder(row, claim, actor)
        certificate = authority.sign(template, serial=serial, now=now, record=record)
        return _handed_out(self.signing.store_signed(authority.name, certificate, actor))

    def _lost_race(self, username: str) -> LostTheRace:
        found = self.enrolment.end_entities.find(username)
        if found is not None and not found.may_enrol:
            return LostTheRace(str(wrong_status(found)))
        return LostTheRace(f"The end entity {username} was changed while its request was looked at; send it again.")

    def _check_password_counts(self, entity: EndEntity) -> None:
        check_may_enrol(entity, again=self.may_enrol_again(entity))
        self.enrolment.check_window(entity)

    def may_enrol_again(self, entity: EndEntity) -> bool:
        """Return whether who has a certificate may get another: by setting, or shortly before its end.

        Not when the newest certificate was revoked: that must not open again what was spent, by an older one's end. And
        not in the first half of its life: one that the CA's own end cuts short would leave the password good for ever.
        """
        profile = self.profiles.get(entity.certificate_profile)
        if self.reenrol or profile is None or profile.renewal_window is None:
            return self.reenrol
        now = self.now()
        issued = [
            certificate
            for certificate in self.signing.certificates.of_user(entity.username)
            if certificate.state is CertificateState.ISSUED
        ]
        newest = max(issued, key=attrgetter("not_before", "created_at"), default=None)
        # Of two that were signed at the same moment, the one that was stored first is superseded, be it the newest.
        if newest is None or newest.revocation_reason not in {RevocationReason.NOTREVOKED, RevocationReason.SUPERSEDED}:
            return False
        good = [each for each in issued if not each.revoked and each.not_after > now]
        last = max(good, key=attrgetter("not_after"), default=None)
        if last is None:
            return False
        return now >= last.not_after - min(profile.renewal_window, (last.not_after - last.not_before) / 2)

    def _already_issued(
        self, entity: EndEntity, request: CertificationRequest, actor: Actor
    ) -> StoredCertificate | None:
        """Return the certificate this very request got a moment ago, if the caller never saw the answer.

        A time-out must not leave a device with a spent password and no certificate.
        """
        if entity.may_enrol:
            return None
        since = self.now() - self.retry_window
        found = self.signing.certificates.find_request(entity.username, request.sha256, since)
        if found is None or found.revoked:
            return None
        if found.state is CertificateState.PENDING:
            return self.signing.settle(found, self.authorities, actor)
        return found if found.state is CertificateState.ISSUED else None

    def record_refusal(self, username: str, refusal: Refusal, actor: Actor) -> None:
        """One audit entry for a refusal, and in the same transaction the count of a wrong password.

        A locked name is not recorded again and again, a database that cannot be written refuses by itself. Every guess
        is recorded, for the lock bounds them; what a public password lets anyone repeat, so many times a minute.
        """
        if isinstance(refusal, TooManyFailures | Unavailable):
            return
        guess = isinstance(refusal, EnrolmentRefused) and refusal.wrong_password
        left_out = 0 if guess else self.budget.spend(refusal.code, self.now())
        if left_out is None:
            return
        with self.signing.database.transaction():
            if guess:
                self.enrolment.count_failure(username, actor.address, self.now())
            details: dict[str, object] = {"reason": str(refusal)[:_MAX_AUDITED]}
            if left_out:
                details["refusals_left_out"] = left_out
            entry = actor.entry(Action.CERTIFICATE_REFUSED, username[:_MAX_AUDITED], details, result=refusal.code)
            self.signing.audit.append(self.now(), entry)


def _handed_out(stored: StoredCertificate) -> IssuedCertificate:
    if stored.certificate is None:
        raise RuntimeError("an issued certificate without its bytes")
    return IssuedCertificate(x509.load_der_x509_certificate(stored.certificate), stored.serial)
