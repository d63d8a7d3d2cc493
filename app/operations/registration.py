"""What an end entity is to be, as somebody registers it, and what the profiles make of that."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from app.errors import InvalidInput, SubjectInUse
from app.pki import alternative_name, distinguished_name
from app.pki.end_entity import EndEntity, EndEntityStatus, TokenType, checked_username
from app.pki.end_entity_rules import Candidate
from app.pki.period import Period

if TYPE_CHECKING:
    from cryptography import x509

    from app.operations.authorities import Authorities
    from app.operations.profiles import Profiles
    from app.pki.end_entity_profile import EndEntityProfile

T = TypeVar("T")
DEFAULT_PROFILE = "EMPTY_CFREE"


@dataclass(frozen=True)
class Registration:
    """What an end entity is to be; None leaves a value to the end entity profile, whose default is dojot's.

    ``subject_alt_name``, and when its certificates begin and end, are as EJBCA writes them.
    ``password`` None is one that was left out, which the profile may have a default for; an empty one is none. With
    ``password_later`` one that stays left out is no breach of the profile: nobody can enrol before one is set.
    """

    username: str
    password: str | None = dataclasses.field(repr=False)
    subject_dn: str | None = None
    subject_alt_name: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    ca_name: str | None = None
    certificate_profile: str | None = None
    end_entity_profile: str = DEFAULT_PROFILE
    token_type: TokenType | None = None
    status: EndEntityStatus = EndEntityStatus.NEW
    send_notification: bool = False
    password_later: bool = False


def candidate_of(
    registration: Registration, default_password: str | None, profiles: Profiles, authorities: Authorities
) -> Candidate:
    """Return what is to be registered with the profile's defaults, or raise what forbids it."""
    username = checked_username(registration.username)
    profile = profiles.end_entity_profile(registration.end_entity_profile)
    candidate = Candidate(
        username=username,
        subject=_subject(registration, profile),
        alternative_names=_alternative_names(registration, profile),
        period=Period.from_texts(registration.start_time, registration.end_time),
        ca_name=_or(registration.ca_name, profile.cas.default),
        certificate_profile=_or(registration.certificate_profile, profile.certificate_profiles.default),
        token_type=_or(registration.token_type, profile.token_types.default),
        password=_or(registration.password, default_password),
        password_later=registration.password_later,
    )
    certificate_profile = profiles.for_end_entity(candidate.certificate_profile)
    authorities.for_end_entities(candidate.ca_name)
    certificate_profile.check_authority(candidate.ca_name)
    if candidate.period and certificate_profile.validity.longest is None:
        raise InvalidInput(
            f"Certificate profile {certificate_profile.name} lets no end entity choose when its certificates end."
        )
    if authorities.holder_of_subject(candidate.subject) is not None:
        raise SubjectInUse(f"User '{username}' is not allowed to use the subject of a CA.")
    profile.check(candidate)
    return candidate


def _or(value: T | None, default: T) -> T:
    """Return what was given, be it empty, else the default."""
    return default if value is None else value


def _subject(registration: Registration, profile: EndEntityProfile) -> x509.Name:
    if registration.subject_dn is None:
        return profile.subject.default_for(registration.username)
    return distinguished_name.parse(registration.subject_dn)


def _alternative_names(registration: Registration, profile: EndEntityProfile) -> tuple[x509.GeneralName, ...]:
    if registration.subject_alt_name is None:
        return profile.alternative_names.default_for(registration.username)
    return alternative_name.parse(registration.subject_alt_name)


def candidate_with(entity: EndEntity, password: str) -> Candidate:
    """Return what is registered, with another password, as the end entity profile looks at it."""
    return Candidate(
        username=entity.username,
        subject=distinguished_name.parse(entity.subject_dn),
        alternative_names=alternative_name.parse(entity.subject_alt_name),
        ca_name=entity.ca_name,
        certificate_profile=entity.certificate_profile,
        token_type=entity.token_type,
        password=password,
    )
