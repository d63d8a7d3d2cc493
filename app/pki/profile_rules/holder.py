"""For what kind of holder a profile is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar, Final

from app.pki.profile_rules.rule import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest


class ProfileType(StrEnum):
    """Whom the profile is for; the words are those of profile files."""

    END_ENTITY = "end_entity"
    CA = "ca"
    OCSP_RESPONDER = "ocsp_responder"


_HOLDERS: Final = {
    ProfileType.END_ENTITY: "end entities",
    ProfileType.CA: "the CAs that hierarchy.yaml declares",
    ProfileType.OCSP_RESPONDER: "the OCSP responders of the CAs",
}


@dataclass(frozen=True)
class HolderRule(Rule):
    """A profile of CAs or OCSP responders makes nobody one: the program itself makes their keys and certificates."""

    type: ProfileType

    key: ClassVar[str] = "type"
    clause: ClassVar[str] = "EJBCA type (end entity, sub CA, root CA)"

    def describe(self) -> str:
        return f"For {_HOLDERS[self.type]}; no request is certified by it."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        yield Finding("certificate", Verdict.REFUSED, f"The profile is f{self.describe()[1:]}")
