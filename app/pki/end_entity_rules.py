"""The rules of an end entity profile: what may be registered, each rule with EJBCA's term and EJBCA's words."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar, Final

from cryptography import x509

from app.pki import distinguished_name
from app.pki.end_entity import MAX_USERNAME_BYTES, TokenType
from app.pki.name_pattern import matches
from app.pki.period import Period

DOJOT_PASSWORD: Final = "dojot"  # noqa: S105 -- public by design: dojot gives it to every device
_FEWEST_CHARACTERS: Final = 8


@dataclass(frozen=True)
class Candidate:
    """What is to be registered, defaults filled in; ``password`` None or empty: there is none.

    ``period`` is from when to when its certificates are to be good. ``password_later`` lets None pass: nobody can enrol
    before one is set, and that one is held to the rule.
    """

    username: str
    subject: x509.Name
    ca_name: str
    certificate_profile: str
    token_type: TokenType
    password: str | None = field(repr=False)
    password_later: bool = False
    alternative_names: tuple[x509.GeneralName, ...] = ()
    period: Period = field(default_factory=Period)


class EndEntityRule(ABC):
    """One clause of an end entity profile. ``key`` is where the profile's file says it."""

    key: ClassVar[str]
    clause: ClassVar[str]

    @abstractmethod
    def describe(self) -> str:
        """Say what the rule does, whatever is registered."""

    def problems(self, candidate: Candidate) -> Iterator[str]:  # noqa: ARG002 -- a rule may ask nothing of it
        """Yield a sentence for each thing about ``candidate`` that this rule forbids; none holds the password."""
        yield from ()


@dataclass(frozen=True)
class UsernameRule(EndEntityRule):
    """The end entity's name: at most ``longest`` characters, and the whole of it matches ``pattern``."""

    pattern: str | None = None
    longest: int = MAX_USERNAME_BYTES

    key: ClassVar[str] = "username"
    clause: ClassVar[str] = "EJBCA USERNAME, VALIDATION; RFC 5280 appendix A.1 ub-common-name"

    def describe(self) -> str:
        matching = f" that match {self.pattern}" if self.pattern else ""
        return f"1 to {self.longest} characters{matching}."

    def problems(self, candidate: Candidate) -> Iterator[str]:
        if len(candidate.username) > self.longest:
            yield f"The user name is longer than {self.longest} characters."
        if self.pattern is not None and not matches(self.pattern, candidate.username):
            yield f"Did not pass validation of field USERNAME. {candidate.username!r} does not match {self.pattern!r}."


@dataclass(frozen=True)
class CertificateProfilesRule(EndEntityRule):
    """The certificate profiles that may be chosen (None: all there are), and the one without a choice."""

    default: str
    allowed: frozenset[str] | None = None

    key: ClassVar[str] = "certificate_profiles"
    clause: ClassVar[str] = "EJBCA AVAILCERTPROFILES, DEFAULTCERTPROFILE"

    def describe(self) -> str:
        return _choice(self.allowed, self.default)

    def problems(self, candidate: Candidate) -> Iterator[str]:
        name = candidate.certificate_profile
        if self.allowed is not None and name not in self.allowed:
            yield f"Couldn't find certificate profile ({name}) among available certificate profiles."


@dataclass(frozen=True)
class AvailableCasRule(EndEntityRule):
    """The CAs that may be chosen (None: all that sign end entities), and the one without a choice."""

    default: str
    allowed: frozenset[str] | None = None

    key: ClassVar[str] = "cas"
    clause: ClassVar[str] = "EJBCA AVAILCAS, DEFAULTCA"

    def describe(self) -> str:
        return _choice(self.allowed, self.default)

    def problems(self, candidate: Candidate) -> Iterator[str]:
        if self.allowed is not None and candidate.ca_name not in self.allowed:
            yield f"Couldn't find CA ({candidate.ca_name}) among End Entity Profiles Available CAs."


@dataclass(frozen=True)
class TokenTypesRule(EndEntityRule):
    """The token types that may be registered; only USERGENERATED ever enrols, for the CA makes no keys."""

    default: TokenType
    allowed: frozenset[TokenType]

    key: ClassVar[str] = "token_types"
    clause: ClassVar[str] = "EJBCA AVAILKEYSTORE, DEFKEYSTORE"

    def describe(self) -> str:
        return _choice([token_type.name for token_type in sorted(self.allowed)], self.default.name)

    def problems(self, candidate: Candidate) -> Iterator[str]:
        if candidate.token_type not in self.allowed:
            yield "Soft token type is not available in End Entity Profile."


@dataclass(frozen=True)
class PasswordRule(EndEntityRule):
    """The enrolment password. ``default``: who is registered without one gets MIDCA_DEFAULT_PASSWORD.

    ``refuse_guessable`` wants eight different characters beside the names and the word ``dojot``: what looks like a
    password of its own. How good a password is it cannot tell.
    """

    default: bool = False
    shortest: int = 1
    refuse_guessable: bool = False

    key: ClassVar[str] = "password"
    clause: ClassVar[str] = "EJBCA PASSWORD, minimum password strength"

    def describe(self) -> str:
        default = "left out: MIDCA_DEFAULT_PASSWORD" if self.default else "one must be given"
        length = f"{self.shortest} or more characters" if self.shortest > 1 else "Any"
        guessable = ", not guessable" if self.refuse_guessable else ""
        return f"{length}{guessable}; {default}."

    def problems(self, candidate: Candidate) -> Iterator[str]:
        password = candidate.password
        if password is None and candidate.password_later:
            return
        if not password:
            yield "Password cannot be empty or null."
            return
        if len(password) < self.shortest:
            yield f"The password is shorter than {self.shortest} characters."
        if self.refuse_guessable and len(_beside_names(password, candidate)) < _FEWEST_CHARACTERS:
            yield f"The password is guessable: beside the names it has not {_FEWEST_CHARACTERS} different characters."


@dataclass(frozen=True)
class EnrolmentWindowRule(EndEntityRule):
    """How long a password is good once it was set, by a registration or a re-arming; None: until it is spent."""

    length: timedelta | None = None

    key: ClassVar[str] = "enrolment_window"
    clause: ClassVar[str] = "NIST SP 800-63A section 4.4.1.6, enrollment codes; EJBCA has none"

    def describe(self) -> str:
        if self.length is None:
            return "A password is good until it is spent."
        return f"A password is good for {self} once it is set."

    def __str__(self) -> str:
        """Return ``7 days``, ``12:00:00``, or ``none``."""
        if self.length is None:
            return "none"
        days, rest = divmod(self.length, timedelta(days=1))
        return f"{days} days" if not rest else f"{days} days and {rest}" if days else str(rest)

    def end(self, armed_at: datetime) -> datetime | None:
        """Return the first moment at which a password set at ``armed_at`` is no longer good, or None."""
        return None if self.length is None else armed_at + self.length


def _choice(allowed: frozenset[str] | list[str] | None, default: str) -> str:
    listed = "any" if allowed is None else ", ".join(sorted(allowed) if isinstance(allowed, frozenset) else allowed)
    return f"{listed}; left out: {default}."


def _beside_names(password: str, candidate: Candidate) -> set[str]:
    """Return the different characters of the password once what anybody knows is taken out of it, in any case."""
    rest = password.lower()
    for known in (candidate.username, distinguished_name.common_name(candidate.subject) or "", DOJOT_PASSWORD):
        rest = rest.replace(known.lower(), "") if known else rest
    return set(rest)
