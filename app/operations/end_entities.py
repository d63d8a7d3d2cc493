"""Adds, edits, re-arms, finds, revokes and deletes end entities."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.errors import Conflict, InvalidInput, SubjectInUse, UnknownEndEntity, UnknownProfile
from app.pki import distinguished_name
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType, checked_username
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.enrolment import Enrolment
    from app.operations.profiles import Profiles
    from app.store.audit_log import AuditLog
    from app.store.certificates import CertificateStore, StoredCertificate
    from app.store.database import Database
    from app.store.end_entities import EndEntityStore

END_ENTITY_PROFILES = frozenset({"EMPTY_CFREE"})
_REVOKING = frozenset(RevocationReason) - {RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL}


@dataclass(frozen=True)
class Registration:
    """What an end entity is to be; the defaults are dojot's.

    ``password`` None means that nobody can enrol before one is set; ``subject_dn`` None means ``CN=<username>``.
    """

    username: str
    password: str | None = dataclasses.field(repr=False)
    subject_dn: str | None = None
    ca_name: str = "IOTmidCA"
    certificate_profile: str = "CFREE"
    end_entity_profile: str = "EMPTY_CFREE"
    token_type: TokenType = TokenType.USERGENERATED
    status: EndEntityStatus = EndEntityStatus.NEW
    send_notification: bool = False


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

    def find(self, username: str) -> EndEntity:
        """Return the end entity, or raise :class:`UnknownEndEntity`."""
        entity = self.store.find(username)
        if entity is None:
            raise UnknownEndEntity(f"User {username[:80]} not found.")
        return entity

    def put(self, registration: Registration, actor: Actor, *, only_new: bool = False) -> EndEntity:
        """Add an end entity, or replace the one of that name whole (EJBCA's editUser), and arm its password.

        A new one begins as NEW whatever was asked. Certificates it has stay as they are. With ``only_new`` an existing
        name is a :class:`Conflict` (EJBCA's addUser).
        """
        entity = self.described(registration)
        with self.database.transaction():
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
        entity = dataclasses.replace(
            entity,
            status=EndEntityStatus.NEW,
            password_verifier=self._verifier(entity.username, password),
            claimed_by=None,
            modified_at=self.now(),
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
        username = checked_username(registration.username)
        if registration.end_entity_profile not in END_ENTITY_PROFILES:
            raise UnknownProfile(f"Error End Entity profile {registration.end_entity_profile[:80]} does not exist.")
        profile = self.profiles.named(registration.certificate_profile)
        self.authorities.for_end_entities(registration.ca_name)
        profile.check_authority(registration.ca_name)
        if registration.subject_dn is None:
            subject = distinguished_name.of_common_name(username)
        else:
            subject = distinguished_name.parse(registration.subject_dn)
        if distinguished_name.common_name(subject) is None:
            raise InvalidInput("Subject DN field 'CN' must exist.")
        if self.authorities.holder_of_subject(subject) is not None:
            raise SubjectInUse(f"User '{username}' is not allowed to use the subject of a CA.")
        now = self.now()
        return EndEntity(
            username=username,
            status=registration.status,
            subject_dn=distinguished_name.to_string(subject),
            ca_name=registration.ca_name,
            certificate_profile=registration.certificate_profile,
            end_entity_profile=registration.end_entity_profile,
            token_type=registration.token_type,
            send_notification=registration.send_notification,
            password_verifier=self._verifier(username, registration.password),
            created_at=now,
            modified_at=now,
        )

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

    def _audit(self, action: Action, username: str, actor: Actor, **details: object) -> None:
        self.audit.append(self.now(), actor.entry(action, username, details))
