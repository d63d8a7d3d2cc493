"""The subject alternative names of a certificate."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote

from cryptography import x509

from app.pki.alternative_name import is_host_name, is_mailbox, is_uri, made_name
from app.pki.certificate_template import extension
from app.pki.name_pattern import MAX_NAME, Budget, BudgetSpent
from app.pki.profile_rules.rule import Finding, Rule, Verdict, criticality
from app.pki.profile_rules.subject import fill

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.pki.enrolment_request import EnrolmentRequest

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Patterns = bool | tuple[str, ...]
Networks = bool | tuple[Network, ...]
Names = tuple[x509.GeneralName, ...]

_SHOWN: Final = 80


class NameSource(StrEnum):
    """Who may bring alternative names: the request, the end entity as it was registered, or both."""

    REQUEST = "request"
    ENTITY = "entity"
    BOTH = "both"


@dataclass(frozen=True)
class NameTemplate:
    """A name the profile writes, in which ``{username}`` and ``{common_name}`` are replaced.

    ``kind`` is dns, ip, uri or email.
    """

    kind: str
    text: str

    def name(self, values: dict[str, str]) -> x509.GeneralName:
        """Return the name, or raise :class:`ValueError`; in a URI what is put in stays within its part of it."""
        if self.kind == "uri":
            values = {key: quote(value, safe="") for key, value in values.items()}
        return made_name(self.kind, fill(self.text, values))


@dataclass(frozen=True)
class AlternativeNamesRule(Rule):
    """Which names a request may bring and an end entity may have, and which the profile writes itself.

    Of each type: True for any, False for none, or the patterns (for addresses: networks) of which one must match,
    whoever brings the name. What is not allowed refuses the request, or is dropped where ``drop`` is set. ``maximum``
    counts what the certificate would hold, where no name stands twice.
    """

    dns: Patterns = False
    ip: Networks = False
    maximum: int = 100
    critical: bool = False
    uri: Patterns = False
    email: Patterns = False
    templates: tuple[NameTemplate, ...] = ()
    required: bool = False
    drop: bool = False
    source: NameSource = NameSource.BOTH

    key: ClassVar[str] = "alternative_names"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.6; host names by RFC 1123 section 2.1"

    def describe(self) -> str:
        types = [
            f"{kind} {_listed(allowed)}" for kind in ("dns", "ip", "uri", "email") if (allowed := vars(self)[kind])
        ]
        source = {NameSource.ENTITY: "the end entity", NameSource.REQUEST: "the request"}
        parts = [f"From {source.get(self.source, 'end entity and request')}: {', '.join(types) or 'none'}"]
        if self.templates:
            parts.append(f"written: {', '.join(f'{name.kind}:{name.text}' for name in self.templates)}")
        parts.append(
            f"{'1' if self.required else '0'} to {self.maximum} names; others are "
            f"{'dropped' if self.drop else 'refused'}"
        )
        return "; ".join(parts) + "."

    def judge(self, request: EnrolmentRequest) -> Iterator[Finding]:
        requested = _requested(request)
        try:
            problems = _problems(self, request.alternative_names, requested or ())
        except BudgetSpent:
            reason = "The subject alternative name holds too many names to compare with the profile's patterns."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        kept = [name for name, problem in problems.items() if problem is None]
        total = len(kept if self.drop else problems) + len(self.templates)
        nothing = requested == () and not problems and not self.templates
        if nothing or total > self.maximum:
            reason = f"The subject alternative name must hold 1 to {self.maximum} names, not {total}."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        yield from self._findings(problems, requested or ())
        yield from self._written_findings(request)
        if self.required and not kept and not self.templates:
            reason = "A subject alternative name is required, and there is none that is allowed."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if names := self._names(request):
            yield extension(x509.SubjectAlternativeName(names), critical=self.critical)

    def _findings(self, problems: dict[x509.GeneralName, str | None], requested: Names) -> Iterator[Finding]:
        for name, problem in problems.items():
            if problem is not None:
                yield Finding("subjectAltName", Verdict.DROPPED if self.drop else Verdict.REFUSED, problem)
                continue
            text, marked = str(name.value)[:MAX_NAME], criticality(critical=self.critical)
            if name in requested:
                yield Finding("subjectAltName", Verdict.KEPT, f"{text} is allowed; {marked}.")
            else:
                yield Finding("subjectAltName", Verdict.WRITTEN, f"{text}, the end entity's; {marked}.")

    def _written_findings(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for template in self.templates:
            try:
                name = template.name(request.placeholders)
            except ValueError as error:
                text = f"{template.kind}:{fill(template.text, request.placeholders)[:_SHOWN]}"
                yield Finding("subjectAltName", Verdict.REFUSED, f"The name {text!r} cannot be made: {error}.")
            else:
                yield Finding(
                    "subjectAltName", Verdict.WRITTEN, f"{name.value!s}; {criticality(critical=self.critical)}."
                )

    def _names(self, request: EnrolmentRequest) -> list[x509.GeneralName]:
        """Return what stands in the certificate, no name twice; templates that cannot be made were refused before."""
        problems = _problems(self, request.alternative_names, _requested(request) or ())
        names = [name for name, problem in problems.items() if problem is None]
        for template in self.templates:
            with suppress(ValueError):
                names.append(template.name(request.placeholders))
        return list(dict.fromkeys(names))

    def problem(self, name: x509.GeneralName, budget: Budget) -> str | None:
        """Return why nobody may bring the name, as a sentence, or None."""
        if isinstance(name, x509.DNSName) and self.dns:
            return _text_problem(name.value, self.dns, is_host_name, "a host name (RFC 1123)", budget)
        if isinstance(name, x509.IPAddress) and self.ip:
            return _address_problem(name.value, self.ip)
        if isinstance(name, x509.UniformResourceIdentifier) and self.uri:
            return _text_problem(name.value, self.uri, is_uri, "an absolute URI (RFC 3986)", budget)
        if isinstance(name, x509.RFC822Name) and self.email:
            return _text_problem(name.value, self.email, is_mailbox, "a mailbox (RFC 5321)", budget)
        return f"A subject alternative name of type {type(name).__name__} is not allowed."

    def source_problem(self, name: x509.GeneralName, registered: Names, requested: Names) -> str | None:
        """Return why the name may not come from where it does, as a sentence, or None."""
        text = str(name.value)[:_SHOWN]
        if self.source is NameSource.ENTITY and name not in registered:
            return f"The end entity is not registered with the subject alternative name {text!r}."
        if self.source is NameSource.REQUEST and name not in requested:
            return f"The subject alternative name {text!r} is the end entity's, and the request does not bring it."
        return None


@lru_cache(maxsize=16)
def _problems(rule: AlternativeNamesRule, registered: Names, requested: Names) -> dict[x509.GeneralName, str | None]:
    """Return each name once, and what is against it; kept for a moment, as a request is looked at more than once."""
    budget = Budget()
    return {
        name: rule.problem(name, budget) or rule.source_problem(name, registered, requested)
        for name in dict.fromkeys(registered + requested)
    }


def _requested(request: EnrolmentRequest) -> Names | None:
    try:
        return tuple(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return None


def _text_problem(
    text: str,
    allowed: Patterns,
    is_one: Callable[[str], bool],
    what: str,
    budget: Budget,
) -> str | None:
    if not is_one(text):
        return f"The subject alternative name {text[:_SHOWN]!r} is not {what}."
    if allowed is True or any(budget.matches(pattern, text) for pattern in allowed or ()):
        return None
    return f"The subject alternative name {text[:_SHOWN]!r} matches none of {', '.join(allowed or ())}."


def _address_problem(address: Address | Network, allowed: Networks) -> str | None:
    if not isinstance(address, Address):
        return f"The subject alternative name {address!s} is a network, not an address."
    if allowed is True or any(address in network for network in allowed or ()):
        return None
    return f"The subject alternative name {address!s} is in none of {', '.join(map(str, allowed or ()))}."


def _listed(allowed: Patterns | Networks) -> str:
    return "any" if allowed is True else f"({', '.join(map(str, allowed or ()))})"
