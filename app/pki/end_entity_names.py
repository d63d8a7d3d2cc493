"""The rules of an end entity profile on names: subjects and alternative names, in EJBCA's words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from cryptography import x509

from app.errors import InvalidInput
from app.pki import distinguished_name
from app.pki.alternative_name import EJBCA_NAMES, kind_of
from app.pki.end_entity_rules import Candidate, EndEntityRule
from app.pki.name_pattern import matches
from app.pki.profile_rules import NameTemplate
from app.pki.profile_rules.subject import fill


@dataclass(frozen=True)
class SubjectField:
    """One attribute type of the subject: from ``least`` to ``most`` of it, each matching ``pattern`` as a whole."""

    oid: x509.ObjectIdentifier
    least: int = 0
    most: int = 1
    pattern: str | None = None

    def describe(self) -> str:
        """Say it in a few words, e.g. ``O 0 to 1``."""
        return f"{distinguished_name.type_name(self.oid)} {_count(self.least, self.most)}{_matching(self.pattern)}"

    def problems(self, subject: x509.Name) -> Iterator[str]:
        """Yield what is wrong with this attribute of ``subject``."""
        values = [str(attribute.value) for attribute in subject.get_attributes_for_oid(self.oid)]
        name = distinguished_name.type_name(self.oid)
        if not values and self.least:
            yield f"Subject DN field '{name}' must exist."
        elif not self.least <= len(values) <= self.most:
            yield f"Wrong number of {name} fields in Subject DN."
        yield from _mismatches(name, "DN", self.pattern, values)


@dataclass(frozen=True)
class SubjectFieldsRule(EndEntityRule):
    """The subject: the attributes it may and must have; ``others`` allows any other as well.

    A CN there always is. ``default`` is the subject of who is registered without one, ``{username}`` replaced.
    """

    fields: tuple[SubjectField, ...]
    others: bool
    default: x509.Name

    key: ClassVar[str] = "subject"
    clause: ClassVar[str] = "RFC 5280 section 4.1.2.6; EJBCA subject DN fields: USE, REQUIRED, VALIDATION, VALUE"

    def describe(self) -> str:
        listed = [subject_field.describe() for subject_field in self.fields] + ["any other"] * self.others
        return f"{', '.join(listed)}; left out: {distinguished_name.to_string(self.default)}."

    def problems(self, candidate: Candidate) -> Iterator[str]:
        if distinguished_name.common_name(candidate.subject) is None:
            yield "Subject DN field 'CN' must exist."
        listed = {subject_field.oid for subject_field in self.fields}
        for subject_field in self.fields:
            yield from subject_field.problems(candidate.subject)
        if not self.others:
            unlisted = [attribute.oid for attribute in candidate.subject if attribute.oid not in listed]
            for name in dict.fromkeys(map(distinguished_name.type_name, unlisted)):
                yield f"Wrong number of {name} fields in Subject DN."

    def default_for(self, username: str) -> x509.Name:
        """Return the subject of ``username``; nothing in the name is read as syntax. Raises :class:`InvalidInput`."""
        values = {"username": username}
        try:
            name = x509.Name([x509.NameAttribute(part.oid, fill(str(part.value), values)) for part in self.default])
        except ValueError as error:
            raise InvalidInput(f"The name {username!r} does not fit into the subject: {error}.") from error
        return distinguished_name.checked(name)


@dataclass(frozen=True)
class AlternativeNameField:
    """One kind of alternative name: from ``least`` to ``most`` of it, each matching ``pattern`` as a whole."""

    kind: str
    least: int = 0
    most: int = 1
    pattern: str | None = None

    def describe(self) -> str:
        """Say it in a few words, e.g. ``dns 0 to 1``."""
        return f"{self.kind} {_count(self.least, self.most)}{_matching(self.pattern)}"

    def problems(self, names: tuple[x509.GeneralName, ...]) -> Iterator[str]:
        """Yield what is wrong with the names of this kind."""
        values = [str(name.value) for name in names if kind_of(name) == self.kind]
        name = EJBCA_NAMES[self.kind].upper()
        if not values and self.least:
            yield f"Subject Alternative Name field '{name}' must exist."
        elif not self.least <= len(values) <= self.most:
            yield f"Wrong number of {name} fields in Subject Alternative Name."
        yield from _mismatches(name, "SAN", self.pattern, values)


@dataclass(frozen=True)
class AlternativeNameFieldsRule(EndEntityRule):
    """The alternative names it may and must be registered with; ``others`` allows any number of other kinds as well.

    ``default`` are those of who is registered without any, ``{username}`` replaced. Whether they come into its
    certificates is the certificate profile's to decide.
    """

    fields: tuple[AlternativeNameField, ...] = ()
    others: bool = False
    default: tuple[NameTemplate, ...] = ()

    key: ClassVar[str] = "alternative_names"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.6; EJBCA subject alternative name fields: USE, REQUIRED, VALIDATION"

    def describe(self) -> str:
        listed = [each.describe() for each in self.fields] + ["any other"] * self.others
        default = ", ".join(f"{template.kind}:{template.text}" for template in self.default)
        return f"{', '.join(listed) or 'None'}; left out: {default or 'none'}."

    def problems(self, candidate: Candidate) -> Iterator[str]:
        for each in self.fields:
            yield from each.problems(candidate.alternative_names)
        listed = {each.kind for each in self.fields}
        if not self.others:
            for kind in dict.fromkeys(map(kind_of, candidate.alternative_names)):
                if kind not in listed:
                    yield f"Wrong number of {EJBCA_NAMES[kind].upper()} fields in Subject Alternative Name."

    def default_for(self, username: str) -> tuple[x509.GeneralName, ...]:
        """Return the names of ``username``; nothing in it is read as syntax. Raises :class:`InvalidInput`."""
        try:
            return tuple(template.name({"username": username}) for template in self.default)
        except ValueError as error:
            raise InvalidInput(f"The name {username!r} does not fit into the alternative names: {error}.") from error


def _count(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"


def _matching(pattern: str | None) -> str:
    return f" matching {pattern}" if pattern else ""


def _mismatches(name: str, place: str, pattern: str | None, values: list[str]) -> Iterator[str]:
    for value in values:
        if pattern is not None and not matches(pattern, value):
            yield f"Did not pass validation of field {name} (in {place}). {value!r} does not match {pattern!r}."
