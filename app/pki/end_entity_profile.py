"""End entity profiles: what may be registered, and how long its password is good."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from app.errors import EndEntityProfileViolation
from app.pki import distinguished_name
from app.pki.end_entity_names import AlternativeNameFieldsRule
from app.pki.end_entity_rules import EnrolmentWindowRule, UsernameRule

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.pki.end_entity_names import SubjectFieldsRule
    from app.pki.end_entity_rules import (
        AvailableCasRule,
        Candidate,
        CertificateProfilesRule,
        EndEntityRule,
        PasswordRule,
        TokenTypesRule,
    )

_SHOWN: Final = 200


@dataclass(frozen=True)
class EndEntityProfile:
    """A validated profile (EJBCA's end entity profile); ``sha256`` is of the file it was read from."""

    name: str
    sha256: str
    subject: SubjectFieldsRule
    certificate_profiles: CertificateProfilesRule
    cas: AvailableCasRule
    token_types: TokenTypesRule
    password: PasswordRule
    alternative_names: AlternativeNameFieldsRule = field(default_factory=AlternativeNameFieldsRule)
    username: UsernameRule = field(default_factory=UsernameRule)
    enrolment_window: EnrolmentWindowRule = field(default_factory=EnrolmentWindowRule)

    @property
    def rules(self) -> tuple[EndEntityRule, ...]:
        """All rules in the order in which their refusals are listed."""
        return (
            self.username,
            self.password,
            self.subject,
            self.alternative_names,
            self.certificate_profiles,
            self.cas,
            self.token_types,
            self.enrolment_window,
        )

    def check(self, candidate: Candidate) -> None:
        """Raise :class:`EndEntityProfileViolation` with every broken rule when this may not be registered."""
        self._refuse(candidate, (problem for rule in self.rules for problem in rule.problems(candidate)))

    def check_password(self, candidate: Candidate) -> None:
        """Raise the same when the password alone may not be: what else is registered stands."""
        self._refuse(candidate, self.password.problems(candidate))

    def _refuse(self, candidate: Candidate, problems: Iterable[str]) -> None:
        found = tuple(dict.fromkeys(problems))
        if found:
            subject = distinguished_name.to_string(candidate.subject)[:_SHOWN]
            raise EndEntityProfileViolation(
                f"Userdata did not fulfill end entity profile {self.name}, dn '{subject}': {' '.join(found)}"
            )
