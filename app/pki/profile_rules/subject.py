"""For whom a certificate is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.errors import InvalidInput
from app.pki import distinguished_name
from app.pki.name_pattern import matches
from app.pki.profile_rules.rule import Finding, Rule, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.pki.enrolment_request import EnrolmentRequest

_SHOWN: Final = 80


@dataclass(frozen=True)
class SubjectRule(Rule):
    """The subject: the end entity's, never the request's.

    ``attributes`` keeps only those types, in that order; ``template`` makes a name with ``{username}`` and
    ``{common_name}`` replaced in its values, where nothing of them is read as syntax. ``common_name`` is an anchored
    regular expression for the CN that results, which is then the only one.
    """

    attributes: tuple[x509.ObjectIdentifier, ...] = ()
    template: x509.Name | None = None
    common_name: str | None = None

    key: ClassVar[str] = "subject"
    clause: ClassVar[str] = "RFC 5280 section 4.1.2.6; EJBCA without allowdnoverride, usesubjectdnsubset"

    def describe(self) -> str:
        if self.template is not None:
            text = f"Made as {distinguished_name.to_string(self.template)}"
        elif self.attributes:
            text = f"The end entity's, only {', '.join(map(distinguished_name.type_name, self.attributes))}"
        else:
            text = "The end entity's"
        return f"{text}; the common name matches {self.common_name}." if self.common_name else f"{text}."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        problem = self._problem(request)
        if problem is not None:
            yield Finding("subject", Verdict.REFUSED, problem)
            return
        subject = self.subject(request)
        yield Finding("subject", Verdict.WRITTEN, distinguished_name.to_string(subject))
        if request.requested_subject != subject:
            asked = request.requested_subject.rfc4514_string()[:_SHOWN] or "The request names nobody"
            yield Finding("subject of the request", Verdict.DROPPED, f"{asked}; the end entity's name counts.")

    def subject(self, request: EnrolmentRequest) -> x509.Name:
        """Return the certificate's subject; raise :class:`InvalidInput` when a value does not fit its place."""
        if self.template is not None:
            values = request.placeholders
            return distinguished_name.checked(
                x509.Name(
                    x509.NameAttribute(attribute.oid, fill(str(attribute.value), values)) for attribute in self.template
                )
            )
        if self.attributes:
            kept = [attribute for oid in self.attributes for attribute in request.subject.get_attributes_for_oid(oid)]
            return x509.Name(kept)
        return request.subject

    def _problem(self, request: EnrolmentRequest) -> str | None:
        try:
            subject = self.subject(request)
        except (InvalidInput, ValueError) as error:
            return f"The subject cannot be made: {error}"
        common_name = distinguished_name.common_name(subject)
        if common_name is None:
            return "The subject has no common name."
        if self.common_name is None:
            return None
        if len(subject.get_attributes_for_oid(NameOID.COMMON_NAME)) > 1:
            return "The subject has several common names; only one can be held against the profile's pattern."
        if not matches(self.common_name, common_name):
            return f"The common name {common_name!r} does not match {self.common_name!r}."
        return None


def fill(text: str, values: dict[str, str]) -> str:
    """Replace each ``{name}`` of ``values`` in ``text``, once: what is put in is not looked at again."""
    return re.sub(r"\{(\w+)\}", lambda match: values.get(match[1], match[0]), text, flags=re.ASCII)
