"""Adds, edits, re-arms, finds, revokes and deletes end entities."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from app.errors import (
    AlreadyRegistered,
    Conflict,
    HasGoodCertificate,
    InvalidInput,
    Refusal,
    SubjectInUse,
    Unavailable,
    UnknownEndEntity,
)
from app.operations.enrolment_password import random_password
from app.operations.registration import DEFAULT_PROFILE, Registration, candidate_of, candidate_with
from app.operations.tenancy import check_registration
from app.pki import alternative_name, distinguished_name, revocation
from app.pki.end_entity import EndEntity, EndEntityStatus
from app.pki.end_entity_rules import DOJOT_PASSWORD
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.enrolment import Enrolment
    from app.operations.profiles import Profiles
    from app.pki.end_entity_profile import EndEntityProfile
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore, StoredCertificate
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

_REVOKING = frozenset(RevocationReason) - {RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL}


@dataclass(frozen=True)
class EndEntities:
    """The acts on end entities, each recorded in the audit log in its own transaction."""

    database: Database
    store: EndEntityStore
    certificates: CertificateStore
    audit: AuditLog
    authorities: Authorities
    profiles: Profiles
    enrolment: Enrolment
    now: Callable[[], datetime]
    default_password: str | None = dataclasses.field(repr=False)
    random_password: bool

    def find(self, username: str) -> EndEntity:
        """Return the end entity, or raise :class:`UnknownEndEntity`."""
        entity = self.store.find(username)
        if entity is None:
            raise UnknownEndEntity(f"User {username[:80]} not found.")
        return entity

    def put(
        self, registration: Registration, actor: Actor, *, only_new: bool = False, over_good: bool = True
    ) -> EndEntity:
        """Add an end entity, or replace the one of that name whole (EJBCA's editUser), and arm its password.

        A new one begins as NEW whatever was asked. Certificates it has stay as they are. With ``only_new`` an existing
        name is :class:`AlreadyRegistered` (EJBCA's addUser); without ``over_good``, a name that has a certificate
        which is good is a :class:`HasGoodCertificate`.
        """
        entity = self._asked_for(registration, actor)
        with self.database.transaction():
            return self._put(entity, actor, only_new=only_new, over_good=over_good)

    def put_all(
        self, registrations: Iterable[Registration], actor: Actor, *, only_new: bool = False, over_good: bool = True
    ) -> list[EndEntity | Refusal]:
        """Do what :meth:`put` does for each, in one transaction: one that is refused keeps no other from its place.

        Other writers wait as long, about 0.2 ms an end entity. Raises :class:`Unavailable` when nothing of it happened.
        """
        asked = [_unless_refused(partial(self._asked_for, each, actor)) for each in registrations]
        put = partial(self._put, actor=actor, only_new=only_new, over_good=over_good)
        with self.database.transaction():
            return [each if isinstance(each, Refusal) else _unless_refused(partial(put, each)) for each in asked]

    def _asked_for(self, registration: Registration, actor: Actor) -> EndEntity:
        by_default_profile = registration.end_entity_profile == DEFAULT_PROFILE
        check_registration(actor, registration.username, registration.subject_dn, by_default_profile=by_default_profile)
        return self.described(registration)

    def _put(self, entity: EndEntity, actor: Actor, *, only_new: bool, over_good: bool) -> EndEntity:
        if not over_good:
            self._check_no_good_certificate(entity.username)
        return self.save(entity, actor, only_new=only_new)

    def save(self, entity: EndEntity, actor: Actor, *, only_new: bool = False) -> EndEntity:
        """Do what :meth:`put` does inside the open transaction, with what :meth:`described` returned."""
        existing = self.store.find(entity.username)
        if existing is not None and only_new:
            raise AlreadyRegistered(f"User {entity.username} already exists.")
        self.check_subject(entity.username, entity.subject_dn, entity.ca_name)
        if existing is None:
            entity = dataclasses.replace(entity, status=EndEntityStatus.NEW)
        else:
            entity = dataclasses.replace(entity, created_at=existing.created_at)
        self.store.save(entity)
        self.enrolment.reset(entity.username)
        self._audit(Action.ENTITY_EDITED if existing else Action.ENTITY_ADDED, entity.username, actor)
        return entity

    def rearm(self, username: str, password: str, actor: Actor) -> EndEntity:
        """Give the end entity a new one-time password and the status NEW."""
        with self.database.transaction():
            return self.arm(self.find(username), password, actor)

    def arm(self, entity: EndEntity, password: str | None, actor: Actor) -> EndEntity:
        """Do what :meth:`rearm` does inside the open transaction; without a password nobody can enrol yet."""
        profile = self.profiles.end_entity_profile(entity.end_entity_profile)
        if password is not None:
            profile.check_password(candidate_with(entity, password))
        now = self.now()
        entity = dataclasses.replace(
            entity,
            status=EndEntityStatus.NEW,
            password_verifier=self._verifier(entity.username, password),
            claimed_by=None,
            public_password=password == DOJOT_PASSWORD,
            modified_at=now,
            armed_at=now,
        )
        self.store.save(entity)
        self.enrolment.reset(entity.username)
        self._audit(Action.ENTITY_REARMED, entity.username, actor)
        return entity

    def revoke(self, username: str, reason: RevocationReason, actor: Actor, *, delete: bool = False) -> int:
        """Revoke all certificates of the end entity and make it REVOKED; return how many that changed.

        Those that have ended too, which EJBCA leaves out: by a clock that is ahead what ends now will be good again.
        Repeating is no error. ``delete`` forgets the end entity as well, never its certificates.
        """
        if reason not in _REVOKING:
            raise InvalidInput(
                f"Invalid operation trying to revoke user with unrevoke reason code. Username '{username[:80]}', "
                f"reason {int(reason)}."
            )
        with self.database.transaction():
            if self.store.find(username) is None:
                raise UnknownEndEntity("Wrong username or password")
            revoked = self.end(username, reason, actor)
            if delete:
                self._delete(username, actor)
        return revoked

    def end(self, username: str, reason: RevocationReason, actor: Actor) -> int:
        """Do what :meth:`revoke` does inside the open transaction, for an end entity that exists."""
        now = self.now()
        revoked = [
            certificate.serial
            for certificate in self.certificates.of_user(username)
            if self._revoke(certificate, reason, now)
        ]
        self.store.set_status(username, EndEntityStatus.REVOKED, now)
        self._audit(Action.ENTITY_REVOKED, username, actor, serials=revoked, reason=reason.name)
        return len(revoked)

    def _revoke(self, certificate: StoredCertificate, reason: RevocationReason, now: datetime) -> bool:
        """Revoke what is good or on hold; what is revoked for good stays as it is.

        Of what has ended KEYCOMPROMISE takes the place of a reason that says nothing of the key, which is never to be
        certified again.
        """
        ca_name, serial, old = certificate.ca_name, certificate.serial, certificate.revocation_reason
        try:
            new = revocation.after(old, reason, issuer=ca_name, serial=serial, correcting=certificate.not_after <= now)
        except Conflict:
            return False
        return self.certificates.change_reason(ca_name, serial, old, new, now)

    def delete(self, username: str, actor: Actor) -> None:
        """Forget the end entity; its certificates stay good and on record."""
        with self.database.transaction():
            self.find(username)
            self._delete(username, actor)

    def _delete(self, username: str, actor: Actor) -> None:
        self.store.delete(username)
        self.enrolment.reset(username)
        self._audit(Action.ENTITY_DELETED, username, actor)

    def described(self, registration: Registration) -> EndEntity:
        """Return the end entity that a registration describes, or raise what is wrong with it; nothing is saved."""
        default = self._default_password(self.profiles.end_entity_profile(registration.end_entity_profile))
        candidate = candidate_of(registration, default, self.profiles, self.authorities)
        start_time, end_time = candidate.period.texts()
        now = self.now()
        return EndEntity(
            username=candidate.username,
            status=registration.status,
            subject_dn=distinguished_name.to_string(candidate.subject),
            ca_name=candidate.ca_name,
            certificate_profile=candidate.certificate_profile,
            end_entity_profile=registration.end_entity_profile,
            token_type=candidate.token_type,
            subject_alt_name=alternative_name.to_string(candidate.alternative_names),
            start_time=start_time,
            end_time=end_time,
            send_notification=registration.send_notification,
            password_verifier=self._verifier(candidate.username, candidate.password),
            public_password=candidate.password == DOJOT_PASSWORD,
            created_at=now,
            modified_at=now,
            armed_at=now,
        )

    def default_password_of(self, entity: EndEntity) -> str | None:
        """Return the password it is armed with where none is given, or None where its profile has none apply."""
        return self._default_password(self.profiles.end_entity_profile(entity.end_entity_profile))

    def random_password_for(self, registration: Registration) -> str | None:
        """Return a new password for who registers without one where such are random; None: it needs or gets none.

        Whoever asks has to hand it over: nobody can read it later.
        """
        if registration.password is not None or not self.random_password:
            return None
        applies = self.profiles.end_entity_profile(registration.end_entity_profile).password.default
        return random_password() if applies else None

    def with_public_password(self) -> int:
        """Return how many have not enrolled yet and may do so now with dojot's password, which everyone knows."""
        now = self.now()
        windows = {name: profile.enrolment_window.length for name, profile in self.profiles.end_entity_profiles.items()}
        return sum(
            self.store.with_public_password(name, armed_after=now - window if window else None)
            for name, window in windows.items()
        )

    def _default_password(self, profile: EndEntityProfile) -> str | None:
        return self.default_password if profile.password.default else None

    def _verifier(self, username: str, password: str | None) -> str | None:
        return None if password is None else self.enrolment.passwords.verifier(username, password)

    def check_subject(self, username: str, subject_dn: str, ca_name: str) -> None:
        """Raise :class:`SubjectInUse` when another end entity is registered with that subject at that CA."""
        holder = self.store.holder_of_subject(ca_name, subject_dn, other_than=username)
        if holder is not None:
            raise SubjectInUse(
                f"User '{username}' is not allowed to use same subject DN as the user(s) '{holder}' is/are "
                "using while issued by the same CA."
            )

    def _check_no_good_certificate(self, username: str) -> None:
        """Look at the certificates and not at the end entity: one that was forgotten may have left some behind."""
        now = self.now()
        if any(certificate.may_be_used(now) for certificate in self.certificates.of_user(username)):
            raise HasGoodCertificate(
                f"User {username} has a certificate that is good: revoke it first, or ask an admin to register it anew."
            )

    def _audit(self, action: Action, username: str, actor: Actor, **details: object) -> None:
        self.audit.append(self.now(), actor.entry(action, username, details))


def _unless_refused(act: Callable[[], EndEntity]) -> EndEntity | Refusal:
    """Return the refusal instead of raising it: each act checks before it writes."""
    try:
        return act()
    except Unavailable:
        raise
    except Refusal as refusal:
        return refusal
