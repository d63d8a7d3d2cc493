"""Keeps a delegated OCSP responder for every CA that can sign: a new key and certificate at half of its life.

The CA key never signs an OCSP answer: strangers cause answers, and a CA key signs only what is recorded first.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from app.errors import ConfigurationError, Refusal, SigningUnavailable
from app.files.protected import Version
from app.files.responder_files import ResponderFiles
from app.operations.drafts import Drafts
from app.operations.profiles import Profiles
from app.operations.recorded_signing import RecordedSigning, Subject
from app.pki.ocsp_responder import OcspResponder, generate_key, responder_template
from app.store.certificates import CertificateType

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.operations.authorities import Authorities
    from app.operations.turn import Turn
    from app.pki.certificate_authority import CertificateAuthority

_log = logging.getLogger("midca")


@dataclass(frozen=True)
class OcspResponders:
    """The responders, one a CA. Whose ``turn`` it is renews.

    Every process looks at the files' versions, so a renewed responder answers everywhere from the next request on.
    """

    files: ResponderFiles
    authorities: Authorities
    signing: RecordedSigning
    profiles: Profiles
    drafts: Drafts
    now: Callable[[], datetime]
    new_serial: Callable[[], int]
    turn: Turn
    _loaded: dict[str, tuple[Version, OcspResponder | None]] = field(default_factory=dict, init=False, repr=False)

    def current(self, authority: CertificateAuthority) -> OcspResponder:
        """Return the CA's responder; raise :class:`SigningUnavailable` when none is there or its certificate ended."""
        responder = self.on_disk(authority)
        if responder is None or not responder.is_valid(authority, self.now()):
            raise SigningUnavailable(f"CA {authority.name} has no valid certificate for its OCSP responder.")
        return responder

    def check(self, authority: CertificateAuthority) -> None:
        """Raise :class:`SigningUnavailable` unless the CA's responder can answer, or nobody here could renew it."""
        if authority.key is not None:
            self.current(authority)

    def on_disk(self, authority: CertificateAuthority) -> OcspResponder | None:
        """Return the responder in the file, read again only when the file was replaced."""
        name = authority.name
        version = self.files.version(name)
        if version is None:
            return None
        if name not in self._loaded or self._loaded[name][0] != version:
            self._loaded[name] = version, self._load(name)
        return self._loaded[name][1]

    def renew_due(self, actor: Actor) -> int:
        """Renew every responder that is due and whose CA can sign; return how many."""
        renewed = 0
        for authority in self.authorities:
            if not self._is_due(authority):
                continue
            with self.turn.held_if_free() as ours:
                if ours and self._is_due(authority):
                    self._renew(authority, actor)
                    renewed += 1
        return renewed

    def _is_due(self, authority: CertificateAuthority) -> bool:
        now = self.now()
        responder = self.on_disk(authority)
        if responder is not None and not responder.is_due(authority, now):
            return False
        return _can_sign(authority, now)

    def _renew(self, authority: CertificateAuthority, actor: Actor) -> None:
        """Record, sign, store, and only then write the file: a kill on the way leaves the responder that was there."""
        self._check_writable()
        key, serial, now = generate_key(), self.new_serial(), self.now()
        profile = self.profiles.for_responders
        template = responder_template(authority, profile, key.public_key())
        self.drafts.check(authority, profile, template, serial=serial, now=now)
        # Neither an end entity nor a CA can have a name with a slash in it.
        subject = Subject(f"{authority.name}/OCSP", CertificateType.OCSP_RESPONDER)
        particulars = authority.particulars(template, serial=serial, now=now)
        row = self.signing.pending_row(authority.name, template, particulars, subject)
        record = self.signing.recorder(row, lambda: None, actor)
        certificate = authority.sign(template, serial=serial, now=now, record=record)
        self.signing.store_signed(authority.name, certificate, actor)
        self.files.save(authority.name, OcspResponder(certificate, key))

    def _check_writable(self) -> None:
        """Raise before anything is signed: what could never be kept would be signed again every second."""
        try:
            self.files.check_writable()
        except ConfigurationError as error:
            raise SigningUnavailable(str(error)) from error

    def _load(self, name: str) -> OcspResponder | None:
        """Return what is in the file, None when it cannot be used: there is nothing in it that cannot be made anew."""
        try:
            return self.files.load(name)
        except ConfigurationError as error:
            _log.warning("the OCSP responder of CA %s is made anew: %s", name, error)
            return None


def _can_sign(authority: CertificateAuthority, now: datetime) -> bool:
    try:
        authority.check_usable(now)
    except Refusal:
        return False
    return True
