"""The subject alternative names of a certificate."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from cryptography import x509

from app.pki.certificate_template import extension
from app.pki.name_pattern import MAX_NAME, matches
from app.pki.profile_rules.rule import Finding, Rule, Verdict
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
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_MAILBOX: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!#-;=?-Z_a-z~\[\]]+", re.ASCII)


@dataclass(frozen=True)
class NameTemplate:
    """A name the profile writes, in which ``{username}`` and ``{common_name}`` are replaced.

    ``kind`` is dns, ip, uri or email.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class AlternativeNamesRule(Rule):
    """Which names a request may bring, and which the profile writes itself.

    Of each type: True for any, False for none, or the patterns (for addresses: networks) of which one must match. What
    is not allowed refuses the request, or is dropped where ``drop`` is set. ``maximum`` counts all names.
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
        total = len(requested or ()) + len(self.templates)
        if (requested is not None or self.templates) and not 0 < total <= self.maximum:
            reason = f"The subject alternative name must hold 1 to {self.maximum} names, not {total}."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)
            return
        yield from self._requested_findings(requested or [])
        yield from self._written_findings(request)
        if self.required and not self._names(request):
            reason = "A subject alternative name is required, and there is none that is allowed."
            yield Finding("subjectAltName", Verdict.REFUSED, reason)

    def extensions(self, request: EnrolmentRequest) -> Iterator[x509.Extension[x509.ExtensionType]]:
        if names := self._names(request):
            yield extension(x509.SubjectAlternativeName(names), critical=self.critical)

    def _requested_findings(self, names: list[x509.GeneralName]) -> Iterator[Finding]:
        for name in names:
            if (problem := self._problem(name)) is None:
                yield Finding("subjectAltName", Verdict.KEPT, f"{str(name.value)[:MAX_NAME]} is allowed.")
            else:
                yield Finding("subjectAltName", Verdict.DROPPED if self.drop else Verdict.REFUSED, problem)

    def _written_findings(self, request: EnrolmentRequest) -> Iterator[Finding]:
        for template in self.templates:
            text = fill(template.text, request.placeholders)
            try:
                yield Finding("subjectAltName", Verdict.WRITTEN, f"{made_name(template.kind, text).value!s}")
            except ValueError as error:
                yield Finding("subjectAltName", Verdict.REFUSED, f"The name {text[:_SHOWN]!r} cannot be made: {error}.")

    def _names(self, request: EnrolmentRequest) -> list[x509.GeneralName]:
        """Return what stands in the certificate, no name twice; templates that cannot be made were refused before."""
        names = [name for name in _requested(request) or [] if self._problem(name) is None]
        for template in self.templates:
            try:
                name = made_name(template.kind, fill(template.text, request.placeholders))
            except ValueError:
                continue
            if name not in names:
                names.append(name)
        return names

    def _problem(self, name: x509.GeneralName) -> str | None:
        if isinstance(name, x509.DNSName) and self.dns:
            return _text_problem(name.value, self.dns, _is_host_name, "a host name (RFC 1123)")
        if isinstance(name, x509.IPAddress) and self.ip:
            return _address_problem(name.value, self.ip)
        if isinstance(name, x509.UniformResourceIdentifier) and self.uri:
            return _text_problem(name.value, self.uri, _is_uri, "an absolute URI (RFC 3986)")
        if isinstance(name, x509.RFC822Name) and self.email:
            return _text_problem(name.value, self.email, _is_mailbox, "a mailbox (RFC 5321)")
        return f"A subject alternative name of type {type(name).__name__} is not allowed."


def made_name(kind: str, text: str) -> x509.GeneralName:
    """Return the name that ``text`` is, or raise :class:`ValueError` saying why it is none."""
    if kind == "ip":
        return x509.IPAddress(ipaddress.ip_address(text))
    is_one, make = _KINDS[kind]
    if not is_one(text):
        raise ValueError(f"it is no {kind} name")
    return make(text)


def _requested(request: EnrolmentRequest) -> list[x509.GeneralName] | None:
    try:
        return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return None


def _text_problem(
    text: str,
    allowed: Patterns,
    is_one: Callable[[str], bool],
    what: str,
) -> str | None:
    if not is_one(text):
        return f"The subject alternative name {text[:_SHOWN]!r} is not {what}."
    if allowed is True or any(matches(pattern, text) for pattern in allowed or ()):
        return None
    return f"The subject alternative name {text[:_SHOWN]!r} matches none of {', '.join(allowed or ())}."


def _address_problem(address: Address | Network, allowed: Networks) -> str | None:
    if not isinstance(address, Address):
        return f"The subject alternative name {address!s} is a network, not an address."
    if allowed is True or any(address in network for network in allowed or ()):
        return None
    return f"The subject alternative name {address!s} is in none of {', '.join(map(str, allowed or ()))}."


def _is_host_name(text: str) -> bool:
    return len(text) <= _MAX_HOST_NAME and _HOST_NAME.fullmatch(text) is not None


def _is_uri(text: str) -> bool:
    return len(text) <= MAX_NAME and _URI.fullmatch(text) is not None


def _is_mailbox(text: str) -> bool:
    local, at, host = text.rpartition("@")
    return bool(at) and _MAILBOX.fullmatch(local) is not None and _is_host_name(host)


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
