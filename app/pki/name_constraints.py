"""What the CAs of a chain may certify (RFC 5280 section 4.2.1.10): better refused here than by every verifier.

Where the RFC leaves a name free that a verifier holds against the constraints all the same, the stricter of the two
counts: OpenSSL reads a common name that looks like a host as one where there is no dNSName, and any emailAddress.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from app.pki import distinguished_name
from app.pki.alternative_name import is_host_name, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHOWN: Final = 80
_LIKE_A_HOST: Final = re.compile(r"\w[\w-]*(?<!-)(\.\w[\w-]*(?<!-))+", re.ASCII)
_Attribute = tuple[str, str]


def problems(
    constraints: Iterable[x509.NameConstraints], subject: x509.Name, names: Iterable[x509.GeneralName]
) -> Iterator[str]:
    """Yield a sentence for each name that one of the CAs may not certify."""
    held = list(_held(subject, list(names)))
    for one in constraints:
        for name in held:
            if (problem := _problem(one, name)) is not None:
                yield problem


def described(name: x509.GeneralName) -> str:
    """Return a name of a constraint or a certificate as profiles write it, e.g. ``dns:a.example``."""
    if isinstance(name, x509.DirectoryName):
        return f"directory:{distinguished_name.to_string(name.value)}"
    return f"{kind_of(name)}:{name.value}"


def _held(subject: x509.Name, names: list[x509.GeneralName]) -> Iterator[x509.GeneralName]:
    yield from names
    yield x509.DirectoryName(subject)
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield x509.RFC822Name(str(attribute.value))
    if not any(isinstance(name, x509.DNSName) for name in names):
        for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            if _LIKE_A_HOST.fullmatch(text := str(attribute.value)):
                yield x509.DNSName(text)


def _problem(constraints: x509.NameConstraints, name: x509.GeneralName) -> str | None:
    shown = described(name)[:_SHOWN]
    permitted = [one for one in constraints.permitted_subtrees or () if isinstance(one, type(name))]
    if permitted and not any(_within(name, one) for one in permitted):
        return f"The CA may certify only names below {', '.join(map(described, permitted))}, and not {shown!r}."
    excluded = [one for one in constraints.excluded_subtrees or () if isinstance(one, type(name))]
    for one in excluded:
        if _within(name, one) or _host_of(name) == "":
            return f"The CA may not certify names below {described(one)!r}, such as {shown!r}."
    return None


def _within(name: x509.GeneralName, subtree: x509.GeneralName) -> bool:
    if isinstance(name, x509.IPAddress):
        return name.value in _network(subtree.value)
    if isinstance(name, x509.DirectoryName):
        beginning = _attributes(subtree.value)
        return _attributes(name.value)[: len(beginning)] == beginning
    text, base = str(name.value).lower(), str(subtree.value).lower()
    if isinstance(name, x509.DNSName):
        return not base or text == base or text.endswith(f".{base.removeprefix('.')}")
    if isinstance(name, x509.RFC822Name) and "@" in base:
        return str(name.value).rpartition("@")[0] == str(subtree.value).rpartition("@")[0] and text == base
    host = _host_of(name) or ""
    return host.endswith(base) if base.startswith(".") else host == base


def _host_of(name: x509.GeneralName) -> str | None:
    """Return the host of a mailbox or a URI, empty where a URI has no name of one; None for other kinds of names."""
    if isinstance(name, x509.RFC822Name):
        return name.value.rpartition("@")[2].lower()
    if isinstance(name, x509.UniformResourceIdentifier):
        host = urlsplit(name.value).hostname or ""
        return host if is_host_name(host) else ""
    return None


def _network(value: object) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(str(value))


def _attributes(name: x509.Name) -> list[list[_Attribute]]:
    """Return a name as verifiers compare it: case and runs of blanks do not matter (RFC 5280 section 7.1)."""
    return [
        sorted((attribute.oid.dotted_string, " ".join(str(attribute.value).split()).casefold()) for attribute in rdn)
        for rdn in name.rdns
    ]
