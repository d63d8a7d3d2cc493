"""Every private key of an installation, tried out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError
from app.files.presence import entries, is_there
from app.files.private_keys import check_key
from app.pki.declared_authority import describe_key
from app.pki.key_identity import public_key_sha256_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from app.files.authority_files import AuthorityFiles
    from app.files.responder_files import ResponderFiles
    from app.operations.authorities import Authorities

GOOD: Final = "good"
OFFLINE: Final = "offline"
SEALED_BEFORE: Final = "good, sealed with an old passphrase"


@dataclass(frozen=True)
class KeyState:
    """``state`` is :data:`GOOD`, :data:`OFFLINE`, :data:`SEALED_BEFORE`, or a sentence that says what is wrong."""

    key: str
    kind: str
    public_key_sha256: str
    state: str


@dataclass(frozen=True)
class KeyList:
    """Loads each key from its file again, whatever this process holds."""

    authorities: Authorities
    files: AuthorityFiles
    responders: ResponderFiles
    audit_key: Path

    def paths(self) -> list[Path]:
        """Return every file that holds a private key; raise :class:`ConfigurationError` where a CA's is missing."""
        kept = [*entries(self.files.keys, ".pem"), *entries(self.responders.directory, ".pem")]
        for path in (self.files.key_path(each.name) for each in self.authorities if not each.offline):
            if path not in kept:
                raise ConfigurationError(f"{path} is missing.")
        return sorted([*kept, self.audit_key] if is_there(self.audit_key) else kept)

    def states(self) -> Iterator[KeyState]:
        """Yield the state of each key that is in use."""
        for authority in self.authorities:
            public_key = authority.certificate.public_key()
            if authority.offline:
                yield _described(f"CA {authority.name}", public_key, OFFLINE)
            else:
                yield self._state(f"CA {authority.name}", self.files.key_path(authority.name), public_key)
        for authority in self.authorities:
            whose = f"OCSP responder {authority.name}"
            try:
                public_key = self.responders.load(authority.name).certificate.public_key()
            except ConfigurationError as error:
                yield KeyState(whose, "-", "-", str(error))
            else:
                yield self._state(whose, self.responders.path(authority.name), public_key)
        yield self._state("audit log", self.audit_key, None)

    def _state(self, whose: str, path: Path, public_key: CertificatePublicKeyTypes | None) -> KeyState:
        keys = self.files.private_keys
        try:
            key = keys.load(path)
            public_key = public_key or key.public_key()
            check_key(whose, key, public_key)
            state = GOOD if keys.is_sealed_anew(path) else SEALED_BEFORE
        except ConfigurationError as error:
            state = str(error)
        return _described(whose, public_key, state)


def _described(whose: str, key: CertificatePublicKeyTypes | None, state: str) -> KeyState:
    if key is None:
        return KeyState(whose, "-", "-", state)
    return KeyState(whose, describe_key(key), public_key_sha256_of(key), state)
