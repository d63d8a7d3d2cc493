"""The subject alternative names of a certificate."""

from __future__ import annotations

import ipaddress
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import quote, urlsplit

from cryptography import x509

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

_MAX_HOST_NAME: Final = 253
_SHOWN: Final = 80
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_STRING: Final = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(\.{_ATOM})*", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[!#$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})+", re.ASCII)


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
    """Which names a request may bring, and which the profile writes itself.

    Of each type: True for any, False for none, or the patterns (for addresses: networks) of which one must match. What
    is not allowed refuses the request, or is dropped where ``drop`` is set. ``maximum`` counts what the certificate
    would hold, where no name stands twice.
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

    key: ClassVar[str] = "alternative_names"
    clause: ClassVar[str] = "RFC 5280 section 4.2.1.6; host names by RFC 1123 section 2.1"

    def describe(self) -> str:
        types = [
            f"{kind} {_listed(allowed)}" for kind in ("dns", "ip", "uri", "email") if (allowed := vars(self)[kind])
        ]
        parts = [f"From the request: {', '.join(types) or 'none'}"]
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
            problems = _problems(self, requested or ())
        except BudgetSpent:
            reason = "The subject alternative name holds too many names to compare with the profile's patterns."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        kept = [name for name, problem in problems.items() if problem is None]
        total = len(kept if self.drop else problems) + len(self.templates)
        nothing = requested == () and not self.templates
        if nothing or total > self.maximum:
            reason = f"The subject alternative name must hold 1 to {self.maximum} names, not {total}."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        yield from self._requested_findings(problems)
        yield from self._written_findings(request)
        if self.required and not kept and not self.templates:
            reason = "A subject alternative name is required, and there is none that is allowed."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if names := self._names(request):
            yield extension(x509.SubjectAlternativeName(names), critical=self.critical)

    def _requested_findings(self, problems: dict[x509.GeneralName, str | None]) -> Iterator[Finding]:
        for name, problem in problems.items():
            if problem is None:
                reason = f"{str(name.value)[:MAX_NAME]} is allowed; {criticality(critical=self.critical)}."
                yield Finding("subjectAltName", Verdict.KEPT, reason)
            else:
                yield Finding("subjectAltName", Verdict.DROPPED if self.drop else Verdict.REFUSED, problem)

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
        problems = _problems(self, _requested(request) or ())
        names = [name for name, problem in problems.items() if problem is None]
        for template in self.templates:
            with suppress(ValueError):
                names.append(template.name(request.placeholders))
        return list(dict.fromkeys(names))

    def problem(self, name: x509.GeneralName, budget: Budget) -> str | None:
        """Return why the request may not bring the name, as a sentence, or None."""
        if isinstance(name, x509.DNSName) and self.dns:
            return _text_problem(name.value, self.dns, _is_host_name, "a host name (RFC 1123)", budget)
        if isinstance(name, x509.IPAddress) and self.ip:
            return _address_problem(name.value, self.ip)
        if isinstance(name, x509.UniformResourceIdentifier) and self.uri:
            return _text_problem(name.value, self.uri, _is_uri, "an absolute URI (RFC 3986)", budget)
        if isinstance(name, x509.RFC822Name) and self.email:
            return _text_problem(name.value, self.email, _is_mailbox, "a mailbox (RFC 5321)", budget)
        return f"A subject alternative name of type {type(name).__name__} is not allowed."


@lru_cache(maxsize=16)
def _problems(rule: AlternativeNamesRule, names: tuple[x509.GeneralName, ...]) -> dict[x509.GeneralName, str | None]:
    """Return each name once, and what is against it; kept for a moment, as a request is looked at more than once."""
    budget = Budget()
    return {name: rule.problem(name, budget) for name in dict.fromkeys(names)}


def made_name(kind: str, text: str) -> x509.GeneralName:
    """Return the name that ``text`` is, or raise :class:`ValueError` saying why it is none."""
    if kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(text))
    is_one, make = _KINDS[kind]
    if not is_one(text):
        raise ValueError(f"it is no {kind} name")
    if kind == "uri" and (host := urlsplit(text).hostname) and not _is_host(host):
        raise ValueError(f"{host[:_SHOWN]!r} in it is no host")
    return make(text)


def _requested(request: EnrolmentRequest) -> tuple[x509.GeneralName, ...] | None:
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


def _is_host_name(text: str) -> bool:
    """A last label that is a number would have browsers read the name as an address (RFC 1123 section 2.1; WHATWG)."""
    if len(text) > _MAX_HOST_NAME or not _HOST_NAME.fullmatch(text):
        return False
    return not _NUMERIC.fullmatch(text.rpartition(".")[2])


def _is_host(text: str) -> bool:
    try:
        return ipaddress.ip_address(text) is not None
    except ValueError:
        return _is_host_name(text)


def _is_uri(text: str) -> bool:
    """Brackets stand around an IPv6 address alone (RFC 3986 section 3.2.2)."""
    if len(text) > MAX_NAME or not _URI.fullmatch(text):
        return False
    try:
        parts = urlsplit(text)
        if "[" in parts.netloc:
            ipaddress.IPv6Address(parts.hostname or "")
        return parts.port != 0 and not {"[", "]"} & set(text.replace(parts.netloc, "", 1))
    except ValueError:  # half a pair of brackets, or a port that is none
        return False


def _is_mailbox(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at) and _DOT_STRING.fullmatch(local) is not None and _is_host_name(host)


_KINDS: Final[
    dict[
        str,
        tuple[Callable[[str], bool], type[x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier]],
    ]
] = {
    "dns": (_is_host_name, x509.DNSName),
    "uri": (_is_uri, x509.UniformResourceIdentifier),
    "email": (_is_mailbox, x509.RFC822Name),
}


def _listed(allowed: Patterns | Networks) -> str:
    return "any" if allowed is True else f"({', '.join(map(str, allowed or ()))})"
