"""Answers OCSP requests (RFC 6960, RFC 5019): looks the status up at every request, signs again only when it must."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Final

from app.errors import UnknownAuthority
from app.pki.certificate_authority import serial_hex
from app.pki.ocsp import (
    HASH_NAMES,
    UNKNOWN,
    CertificateStatus,
    IssuerId,
    OcspRequest,
    Status,
    Validity,
    sign_answer,
)
from app.store.certificate_standing import standing
from app.store.certificates import CertificateState

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.authorities import Authorities
    from app.operations.ocsp_responders import OcspResponders
    from app.pki.certificate_authority import CertificateAuthority
    from app.pki.ocsp_responder import OcspResponder
    from app.store.database import Database

_VALIDITY: Final = timedelta(hours=1)  # as long as somebody could show an old answer as the newest
_SECOND: Final = timedelta(seconds=1)
_CACHED: Final = 2048  # answers a process, of 1 to 2 kB each; a signature costs less than much memory

MAX_MAX_AGE: Final = _VALIDITY / 2
"""The longest an HTTP cache may keep an answer: one that was made half its life ago still lives so long."""


@dataclass(frozen=True)
class OcspAnswer:
    """A signed answer. ``status`` and ``serial`` (hex) are what it is about.

    ``fresh_for`` is how long a cache may show it to others, None when it may not. ``tag`` is the same for all answers
    that say the same by the same responder in the same half of an hour, whichever process signed them.
    """

    der: bytes = field(repr=False)
    ca_name: str
    serial: str
    status: Status
    this_update: datetime
    fresh_for: timedelta | None
    tag: str


class Ocsp:
    """The answers of all CAs."""

    def __init__(
        self,
        authorities: Authorities,
        responders: OcspResponders,
        database: Database,
        now: Callable[[], datetime],
        max_age: timedelta,
    ) -> None:
        """Take what it asks, and how long HTTP caches may keep an answer without a nonce."""
        self.authorities = authorities
        self.responders = responders
        self.database = database
        self.now = now
        self.max_age = min(max_age, MAX_MAX_AGE)
        self._signed_before = lru_cache(maxsize=_CACHED)(self._sign)

    def answer(self, der: bytes) -> OcspAnswer:
        """Return the answer to the DER of a request.

        Raises :class:`InvalidInput` for a malformed request, :class:`UnknownAuthority` for a certificate of a foreign
        issuer, :class:`Unavailable` when the database or the responder's certificate cannot be used now.
        """
        request = OcspRequest.from_der(der)
        authority = self.issuer(request.issuer)
        responder = self.responders.current(authority)
        status = self.status(authority, request.serial)
        period = int(self.now().timestamp() // MAX_MAX_AGE.total_seconds())
        # A serial nobody issued is any number a stranger thinks of: it must not push out what is asked for often.
        repeated = request.nonce is None and status.status is not Status.UNKNOWN
        sign = self._signed_before if repeated else self._sign
        signed, validity = sign(responder, request, status, period)
        if validity.this_update > self.now():  # it was kept, and the clock was set back since
            signed, validity = self._sign(responder, request, status, period)
        fresh_for = min(self.max_age, validity.next_update - self.now())
        return OcspAnswer(
            der=signed,
            ca_name=authority.name,
            serial=serial_hex(request.serial),
            status=status.status,
            this_update=validity.this_update,
            fresh_for=fresh_for if repeated and fresh_for >= _SECOND else None,
            tag=_tag(responder, request, status, period),
        )

    def issuer(self, issuer: IssuerId) -> CertificateAuthority:
        """Return the CA that a request names; raise :class:`UnknownAuthority` for one that is not ours."""
        name = self._issuers.get(issuer)
        if name is None:
            raise UnknownAuthority("The certificate in the OCSP request was not issued by a CA of this server.")
        return self.authorities.named(name)

    def status(self, authority: CertificateAuthority, serial: int) -> CertificateStatus:
        """Return what the database says now. One that is still to be signed is not known; one that ended stays good."""
        found = standing(self.database, authority.name, serial_hex(serial))
        if found is not None and found.revoked_at is not None:
            return CertificateStatus.revoked(found.revoked_at, found.revocation_reason)
        if found is not None and found.state is CertificateState.ISSUED:
            return CertificateStatus(Status.GOOD, revision=found.revision)
        return UNKNOWN

    @cached_property
    def _issuers(self) -> dict[IssuerId, str]:
        return {IssuerId.of(ca.certificate, hash_name): ca.name for ca in self.authorities for hash_name in HASH_NAMES}

    def _sign(
        self, responder: OcspResponder, request: OcspRequest, status: CertificateStatus, _period: int
    ) -> tuple[bytes, Validity]:
        """Return an answer and its validity; every parameter is part of the cache's key, the period alone for that.

        So a change of status, a renewed responder, or half of an answer's life bring a new one.
        """
        now = self.now().astimezone(UTC).replace(microsecond=0)
        validity = Validity(now, min(now + _VALIDITY, responder.end))
        return sign_answer(responder, request, status, validity), validity


def _tag(responder: OcspResponder, request: OcspRequest, status: CertificateStatus, period: int) -> str:
    said = (responder.certificate.serial_number, request.issuer, request.serial, status, period)
    return hashlib.sha256(repr(said).encode()).hexdigest()
