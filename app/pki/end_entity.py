"""End entities: who may get a certificate, and the life they go through (EJBCA's end entity and its statuses)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from app.errors import InvalidInput
from app.pki.period import Period
from app.pki.text import name_problem

if TYPE_CHECKING:
    from datetime import datetime

MAX_USERNAME_BYTES: Final = 64
"""A username becomes the common name by default, and ub-common-name is 64 (RFC 5280 appendix A.1)."""


TENANT: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
"""A tenant of the IoT platform: dojot's own and Keycloak's realms are named so."""


class EndEntityStatus(IntEnum):
    """EJBCA's statuses and their numbers."""

    NEW = 10
    FAILED = 11
    INITIALIZED = 20
    INPROCESS = 30
    GENERATED = 40
    REVOKED = 50
    HISTORICAL = 60
    KEYRECOVERY = 70


ENROLLABLE: Final = frozenset(
    {EndEntityStatus.NEW, EndEntityStatus.FAILED, EndEntityStatus.INPROCESS, EndEntityStatus.KEYRECOVERY}
)
"""The statuses in which EJBCA lets an end entity enrol."""


class TokenType(IntEnum):
    """Who makes the key, and in which container: EJBCA's token types."""

    USERGENERATED = 1
    P12 = 2
    JKS = 3
    PEM = 4


@dataclass(frozen=True)
class EndEntity:
    """One end entity as it is stored.

    ``subject_dn`` is in EJBCA's order; ``subject_alt_name``, ``start_time`` and ``end_time`` (of its certificates) are
    as EJBCA writes them, empty for none. ``password_verifier`` is what the password is checked against, never the
    password; None means that nobody can enrol. ``claimed_by`` is the serial of the certificate that an enrolment is
    signing just now: the one-time password is then spent, whatever the status says. ``armed_at`` is when the password
    was set, ``public_password`` whether it is dojot's, which everyone knows.
    """

    username: str
    status: EndEntityStatus
    subject_dn: str
    ca_name: str
    certificate_profile: str
    end_entity_profile: str
    token_type: TokenType
    created_at: datetime
    modified_at: datetime
    armed_at: datetime
    subject_alt_name: str = ""
    start_time: str = ""
    end_time: str = ""
    send_notification: bool = False
    password_verifier: str | None = field(default=None, repr=False)
    claimed_by: str | None = None
    public_password: bool = False

    @property
    def period(self) -> Period:
        """What ``start_time`` and ``end_time`` say."""
        return Period.from_texts(self.start_time, self.end_time)

    @property
    def may_enrol(self) -> bool:
        """True when the status allows an enrolment and no other enrolment holds the one-time password."""
        return self.status in ENROLLABLE and self.claimed_by is None

    @property
    def enrolment_status(self) -> EndEntityStatus:
        """The status as an enrolling caller sees it: a claimed end entity is as good as GENERATED."""
        return self.status if self.claimed_by is None else EndEntityStatus.GENERATED


def checked_username(username: str) -> str:
    """Return ``username`` unchanged when it may name an end entity, else raise :class:`InvalidInput`.

    Names are case-sensitive and compared byte by byte; a name with two spellings (Unicode forms, edge blanks) is
    refused rather than folded, so that two spellings never meet in one end entity. ``/`` cannot be addressed in a URL
    path, and a name of dots alone is a path of its own.
    """
    problem = name_problem(username, max_bytes=MAX_USERNAME_BYTES)
    if problem is None and "/" in username:
        problem = "holds a '/', which a URL cannot address"
    if problem is None and not username.strip("."):
        problem = "is made of dots alone"
    if problem is not None:
        raise InvalidInput(f"The end entity name {problem}.")
    return username


def tenant_of(username: str) -> str | None:
    """Return the tenant in a name such as ``admin:f60c28``; a name without a colon belongs to none."""
    tenant, colon, _ = username.partition(":")
    return tenant if colon else None
