"""The CAs of this installation, found by name or by distinguished name."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cryptography import x509

from app.errors import ConfigurationError, InvalidInput, NotAllowed, Refusal, UnknownAuthority
from app.pki import distinguished_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.pki.certificate_authority import CertificateAuthority

_log = logging.getLogger("midca")
_SHOWN = 80
_Compared = tuple[tuple[x509.ObjectIdentifier, str], ...]


class Authorities:
    """All CAs, sorted by name; loaded once, and again when the server is told to."""

    def __init__(self, authorities: Iterable[CertificateAuthority]) -> None:
        """Take the CAs in any order."""
        self._by_name = {authority.name: authority for authority in sorted(authorities, key=lambda ca: ca.name)}
        self._holders_of_subjects = {_compared(ca.certificate.subject): ca.name for ca in self}

    def take_over(self, load: Callable[[], Authorities]) -> None:
        """Put what is on disk now in the place of all CAs; when something is wrong with it, keep them and say so."""
        try:
            self._by_name = load()._by_name  # noqa: SLF001 -- its own
        except (ConfigurationError, Refusal) as error:
            _log.error("the CAs stay as they were: %s", error)
        except Exception:  # noqa: BLE001 -- a mistake of ours must not end the process that serves
            _log.exception("the CAs stay as they were")
        else:
            ends = (f"{ca.name} until {ca.certificate.not_valid_after_utc.date()}" for ca in self)
            _log.info("read the CAs: %s", ", ".join(ends))

    def __iter__(self) -> Iterator[CertificateAuthority]:
        """Iterate over the CAs by name."""
        return iter(self._by_name.values())

    def named(self, name: str) -> CertificateAuthority:
        """Return the CA of that name, or of that distinguished name in any order and case."""
        authority = self._by_name.get(name) or self._by_name_in_other_case(name) or self._by_dn(name)
        if authority is None:
            raise UnknownAuthority(f"CA with name {name[:_SHOWN]} does not exist.")
        return authority

    def for_end_entities(self, name: str) -> CertificateAuthority:
        """Return the CA of exactly that name if it signs end entities."""
        if name not in self._by_name:
            raise UnknownAuthority(f"CA with name {name[:_SHOWN]} does not exist.")
        authority = self._by_name[name]
        if not authority.signs_end_entities:
            raise NotAllowed(f"CA {name} signs other CAs only, no end entities.")
        return authority

    def holder_of_key(self, public_key_sha256: str) -> str | None:
        """Return the name of the CA whose key that is, or None."""
        return next((ca.name for ca in self if ca.public_key_sha256 == public_key_sha256), None)

    def holder_of_subject(self, subject: x509.Name) -> str | None:
        """Return the name of the CA whose subject that is, or None."""
        return self._holders_of_subjects.get(_compared(subject))

    def _by_dn(self, text: str) -> CertificateAuthority | None:
        """Return the one CA with that subject, in any order; old clients leave attributes out, but name no others."""
        if "=" not in text:
            return None
        try:
            wanted = distinguished_name.parse(text)
        except InvalidInput:
            return None
        attributes = _compared(wanted)
        if len(set(attributes)) < len(attributes) or distinguished_name.common_name(wanted) is None:
            return None
        same = [ca for ca in self if set(_compared(ca.certificate.subject)) == set(attributes)]
        found = same or [ca for ca in self if _says_no_other(attributes, _compared(ca.certificate.subject))]
        return found[0] if len(found) == 1 else None

    def _by_name_in_other_case(self, name: str) -> CertificateAuthority | None:
        found = [ca for ca in self if ca.name.casefold() == name.casefold()]
        return found[0] if len(found) == 1 else None


def _says_no_other(asked: _Compared, own: _Compared) -> bool:
    """Return whether each attribute is one of the CA's own, whole or cut off at a blank, as shell scripts do."""
    return all(any(oid == other and f"{value} ".startswith(f"{text} ") for other, value in own) for oid, text in asked)


def _compared(name: x509.Name) -> _Compared:
    """Return a name as verifiers compare it: case and runs of blanks do not matter (RFC 5280 section 7.1)."""
    return tuple((attribute.oid, " ".join(str(attribute.value).split()).casefold()) for attribute in name)
