"""Alternative names of the four kinds a certificate may hold here, to and from text, each what its kind says.

EJBCA writes them ``dNSName=a.example, iPAddress=192.0.2.1``; OpenSSL writes ``DNS:a.example``. Both are read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509

from app.errors import InvalidInput
from app.pki.name_pattern import MAX_NAME

MAX_NAMES: Final = 100
_SHOWN: Final = 80
_MAX_HOST_NAME: Final = 253
_NUMERIC: Final = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*", re.ASCII)
_HOST_NAME: Final = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*", re.ASCII)
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_STRING: Final = re.compile(rf"(?=.{{1,64}}\Z){_ATOM}(\.{_ATOM})*", re.ASCII)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:(?:[!#$&-;=?-Z_a-z~\[\]]|%[0-9A-Fa-f]{2})+", re.ASCII)
_PART: Final = re.compile(r"(?:\\.|[^\\,])+", re.DOTALL)
_TO_ESCAPE: Final = re.compile(r"[,\\]")
_ESCAPED: Final = r"\\\g<0>"
_KIND: Final = re.compile(r"\s*([A-Za-z0-9]+)\s*[:=]", re.ASCII)

EJBCA_NAMES: Final = {
    "dns": "dNSName",
    "ip": "iPAddress",
    "uri": "uniformResourceIdentifier",
    "email": "rfc822Name",
}
"""How EJBCA writes each kind."""
_KIND_BY_NAME: Final = {
    **{kind: kind for kind in EJBCA_NAMES},
    **{name.lower(): kind for kind, name in EJBCA_NAMES.items()},
    "uniformresourceid": "uri",
}
_KIND_BY_TYPE: Final[dict[type[x509.GeneralName], str]] = {
    x509.DNSName: "dns",
    x509.IPAddress: "ip",
    x509.UniformResourceIdentifier: "uri",
    x509.RFC822Name: "email",
}


def parse(text: str) -> tuple[x509.GeneralName, ...]:
    r"""Read a list such as ``dNSName=a.example, IP:192.0.2.1``; the empty text is the empty list.

    A comma within a name is written ``\,``. Raises :class:`InvalidInput` for what is no name of one of the four kinds.
    """
    if not text.strip():
        return ()
    parts = _PART.findall(text)
    if ",".join(parts) != text:
        raise InvalidInput(f"The subject alternative name {text[:_SHOWN]!r} is no list of names.")
    if len(parts) > MAX_NAMES:
        raise InvalidInput(f"The subject alternative name holds more than {MAX_NAMES} names.")
    return tuple(dict.fromkeys(map(_parsed, parts)))


def _parsed(part: str) -> x509.GeneralName:
    text = re.sub(r"\\(.)", r"\1", part, flags=re.DOTALL)
    match = _KIND.match(text)
    kind = _KIND_BY_NAME.get(match[1].lower()) if match else None
    if match is None or kind is None:
        known = ", ".join(EJBCA_NAMES.values())
        raise InvalidInput(f"{part.strip()[:_SHOWN]!r} is no alternative name; the types known are {known}.")
    try:
        return made_name(kind, text[match.end() :].strip())
    except ValueError as error:
        raise InvalidInput(f"The alternative name {part.strip()[:_SHOWN]!r} cannot be used: {error}.") from error


def to_string(names: Iterable[x509.GeneralName]) -> str:
    """Write names as EJBCA does."""
    return ", ".join(f"{EJBCA_NAMES[kind_of(name)]}={escaped(str(name.value))}" for name in names)


def escaped(text: str) -> str:
    """Return the text of a name as it stands in a list."""
    return _TO_ESCAPE.sub(_ESCAPED, text)


def kind_of(name: x509.GeneralName) -> str:
    """Return dns, ip, uri or email, or what the library calls another kind."""
    return _KIND_BY_TYPE.get(type(name), type(name).__name__)


def made_name(kind: str, text: str) -> x509.GeneralName:
    """Return the name that ``text`` is, or raise :class:`ValueError` saying why it is none."""
    if kind == "ip":
        if "%" in text:
            raise ValueError("a certificate holds no zone of an address (RFC 4007)")
        return x509.IPAddress(ipaddress.ip_address(text))
    is_one, make = _KINDS[kind]
    if not is_one(text):
        raise ValueError(f"it is no {kind} name")
    if kind == "uri" and (host := urlsplit(text).hostname) and not _is_host(host):
        raise ValueError(f"{host[:_SHOWN]!r} in it is no host")
    return make(text)


def is_host_name(text: str) -> bool:
    """A last label that is a number would have browsers read the name as an address (RFC 1123 section 2.1; WHATWG)."""
    if len(text) > _MAX_HOST_NAME or not _HOST_NAME.fullmatch(text):
        return False
    return not _NUMERIC.fullmatch(text.rpartition(".")[2])


def _is_host(text: str) -> bool:
    try:
        return ipaddress.ip_address(text) is not None
    except ValueError:
        return is_host_name(text)


def is_uri(text: str) -> bool:
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


def is_mailbox(text: str) -> bool:
    """Return whether it is a mailbox whose local part needs no quotes (RFC 5321 section 4.1.2)."""
    local, at, host = text.rpartition("@")
    return bool(at) and _DOT_STRING.fullmatch(local) is not None and is_host_name(host)


_KINDS: Final[
    dict[
        str,
        tuple[Callable[[str], bool], type[x509.DNSName | x509.RFC822Name | x509.UniformResourceIdentifier]],
    ]
] = {
    "dns": (is_host_name, x509.DNSName),
    "uri": (is_uri, x509.UniformResourceIdentifier),
    "email": (is_mailbox, x509.RFC822Name),
}
