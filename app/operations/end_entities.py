"""Adds, edits, re-arms, finds, revokes and deletes end entities."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from app.errors import Conflict, HasGoodCertificate, InvalidInput, SubjectInUse, UnknownEndEntity
from app.operations.tenancy import check_registration
from app.pki import distinguished_name
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType, checked_username
from app.pki.end_entity_rules import Candidate
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptography import x509

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.enrolment import Enrolment
    from app.operations.profiles import Profiles
    from app.pki.end_entity_profile import EndEntityProfile
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore, StoredCertificate
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

T = TypeVar("T")
DEFAULT_PROFILE = "EMPTY_CFREE"
_REVOKING = frozenset(RevocationReason) - {RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL}


@dataclass(frozen=True)
class Registration:
    """What an end entity is to be; None leaves a value to the end entity profile, whose default is dojot's.

    ``password`` None is one that was left out, which the profile may have a default for; an empty one is none. With
    ``password_later`` one that stays left out is no breach of the profile: nobody can enrol before one is set.
    """

    username: str
    password: str | None = dataclasses.field(repr=False)
    subject_dn: str | None = None
    ca_name: str | None = None
    certificate_profile: str | None = None
    end_entity_profile: str = DEFAULT_PROFILE
    token_type: TokenType | None = None
    status: EndEntityStatus = EndEntityStatus.NEW
    send_notification: bool = False
    password_later: bool = False


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
        name is a :class:`Conflict` (EJBCA's addUser); without ``over_good``, a name that has a certificate which is
        good is a :class:`HasGoodCertificate`.
        """
        by_default_profile = registration.end_entity_profile == DEFAULT_PROFILE
        check_registration(actor, registration.username, registration.subject_dn, by_default_profile=by_default_profile)
        entity = self.described(registration)
        with self.database.transaction():
            if not over_good:
                self._check_no_good_certificate(entity.username)
            return self.save(entity, actor, only_new=only_new)

    def save(self, entity: EndEntity, actor: Actor, *, only_new: bool = False) -> EndEntity:
        """Do what :meth:`put` does inside the open transaction, with what :meth:`described` returned."""
        existing = self.store.find(entity.username)
        if existing is not None and only_new:
            raise Conflict(f"User {entity.username} already exists.")
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
            profile.check_password(_candidate(entity, password))
        now = self.now()
        entity = dataclasses.replace(
            entity,
            status=EndEntityStatus.NEW,
            password_verifier=self._verifier(entity.username, password),
            claimed_by=None,
            modified_at=now,
            armed_at=now,
        )
        self.store.save(entity)
        self.enrolment.reset(entity.username)
        self._audit(Action.ENTITY_REARMED, entity.username, actor)
        return entity

    def revoke(self, username: str, reason: RevocationReason, actor: Actor, *, delete: bool = False) -> int:
        """Revoke all live certificates of the end entity and make it REVOKED; return how many that changed.

        KEYCOMPROMISE reaches those that have ended too: their keys are never to be certified again.
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
            if (certificate.not_after > now or reason is RevocationReason.KEYCOMPROMISE)
            and self._revoke(certificate, reason, now)
        ]
        self.store.set_status(username, EndEntityStatus.REVOKED, now)
        self._audit(Action.ENTITY_REVOKED, username, actor, serials=revoked, reason=reason.name)
        return len(revoked)

    def _revoke(self, certificate: StoredCertificate, reason: RevocationReason, now: datetime) -> bool:
        """Revoke what is good or on hold; what is revoked for good stays as it is."""
        old = certificate.revocation_reason
        if old not in {RevocationReason.NOTREVOKED, RevocationReason.CERTIFICATEHOLD} or old is reason:
            return False
        return self.certificates.change_reason(certificate.ca_name, certificate.serial, old, reason, now)

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
        candidate = self._candidate(registration)
        now = self.now()
        return EndEntity(
            username=candidate.username,
            status=registration.status,
            subject_dn=distinguished_name.to_string(candidate.subject),
            ca_name=candidate.ca_name,
            certificate_profile=candidate.certificate_profile,
            end_entity_profile=registration.end_entity_profile,
            token_type=candidate.token_type,
            send_notification=registration.send_notification,
            password_verifier=self._verifier(candidate.username, candidate.password),
            created_at=now,
            modified_at=now,
            armed_at=now,
        )

    def default_password_of(self, entity: EndEntity) -> str | None:
        """Return the password it is armed with where none is given, or None where its profile has none apply."""
        return self._default_password(self.profiles.end_entity_profile(entity.end_entity_profile))

    def _default_password(self, profile: EndEntityProfile) -> str | None:
        return self.default_password if profile.password.default else None

    def _verifier(self, username: str, password: str | None) -> str | None:
        return None if password is None else self.enrolment.passwords.verifier(username, password)

    def _candidate(self, registration: Registration) -> Candidate:
        """Return what is to be registered with the profile's defaults, or raise what forbids it."""
        username = checked_username(registration.username)
        profile = self.profiles.end_entity_profile(registration.end_entity_profile)
        candidate = Candidate(
            username=username,
            subject=_subject(registration, profile),
            ca_name=_or(registration.ca_name, profile.cas.default),
            certificate_profile=_or(registration.certificate_profile, profile.certificate_profiles.default),
            token_type=_or(registration.token_type, profile.token_types.default),
            password=_or(registration.password, self._default_password(profile)),
            password_later=registration.password_later,
        )
        certificate_profile = self.profiles.named(candidate.certificate_profile)
        self.authorities.for_end_entities(candidate.ca_name)
        certificate_profile.check_authority(candidate.ca_name)
        if self.authorities.holder_of_subject(candidate.subject) is not None:
            raise SubjectInUse(f"User '{username}' is not allowed to use the subject of a CA.")
        profile.check(candidate)
        return candidate

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


def _or(value: T | None, default: T) -> T:
    """Return what was given, be it empty, else the default."""
    return default if value is None else value


def _subject(registration: Registration, profile: EndEntityProfile) -> x509.Name:
    if registration.subject_dn is None:
        return profile.subject.default_for(registration.username)
    return distinguished_name.parse(registration.subject_dn)


def _candidate(entity: EndEntity, password: str) -> Candidate:
    return Candidate(
        username=entity.username,
        subject=distinguished_name.parse(entity.subject_dn),
        ca_name=entity.ca_name,
        certificate_profile=entity.certificate_profile,
        token_type=entity.token_type,
        password=password,
    )
