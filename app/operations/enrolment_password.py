"""Verifiers for enrolment passwords: what is stored can check a password but not give it away.

Always a keyed hash (HMAC-SHA256) whose key, the pepper, is not in the database: who steals the database alone cannot
try passwords. A password that a person chose is first stretched with scrypt, so that a thief of both still has work to
do; a random one of 128 bits needs no stretching, and one that is public (dojot's default) cannot gain from it. NIST
SP 800-63B section 5.1.1.2 draws the line at 112 bits.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.errors import InvalidInput

MAX_PASSWORD_BYTES: Final = 1024
_SALT_BYTES: Final = 16
_RANDOM_LOOKING: Final = re.compile(r"[0-9A-Fa-f]{28,}|[A-Za-z0-9+/=_-]{22,}")  # at least 112 bits of hex, of base64
_DUMMY_SALT: Final = b"\0" * _SALT_BYTES
# One stretching at a time in a process: it takes 16 MiB and 30 ms, which guesses must not multiply.
_stretching = threading.Semaphore(1)


class EnrolmentPasswords:
    """Makes and checks verifiers ``ca1$<method>$<salt>$<mac>``; method ``h`` is HMAC alone, ``s`` scrypt first."""

    def __init__(self, pepper: bytes, public_default: str | None) -> None:
        """Take the pepper and the password that is public by design (dojot's default), if any."""
        self._pepper = pepper
        self._public_default = public_default

    def verifier(self, username: str, password: str) -> str:
        """Return a new verifier; raise :class:`InvalidInput` for a password nobody can have."""
        check_password(password)
        chosen = password != self._public_default and not _RANDOM_LOOKING.fullmatch(password)
        method = "s" if chosen else "h"
        salt = secrets.token_bytes(_SALT_BYTES)
        mac = self._mac(method, username, salt, password).finalize()
        return f"ca1${method}${base64.b64encode(salt).decode()}${base64.b64encode(mac).decode()}"

    def matches(self, username: str, password: str, verifier: str | None) -> bool:
        """Return whether the password is the one of ``verifier``; None (no such name) does the same work.

        A stretched password takes longer than that. EJBCA's texts tell names apart anyway.
        """
        check_password(password)
        if verifier is None:
            self._mac("h", username, _DUMMY_SALT, password).finalize()
            return False
        _, method, salt, mac = verifier.split("$")
        try:
            self._mac(method, username, base64.b64decode(salt), password).verify(base64.b64decode(mac))
        except InvalidSignature:
            return False
        return True

    def is_guessable(self, verifier: str | None) -> bool:
        """Return whether the password may be one that a person chose: no guessing finds a random one."""
        return verifier is None or verifier.split("$")[1] == "s"

    def is_public(self, username: str, verifier: str) -> bool:
        """Return whether the password is the public default; that is never stretched."""
        default = self._public_default
        return default is not None and "$s$" not in verifier and self.matches(username, default, verifier)

    def _mac(self, method: str, username: str, salt: bytes, password: str) -> hmac.HMAC:
        secret = password.encode()
        if method == "s":
            with _stretching:
                secret = Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(secret)
        mac = hmac.HMAC(self._pepper, hashes.SHA256())
        name = username.encode()
        mac.update(b"enrol/1" + len(name).to_bytes(2) + name + salt + secret)
        return mac


def random_password() -> str:
    """Return a new one-time password of 192 random bits."""
    return secrets.token_urlsafe(24)


def check_password(password: str) -> None:
    """Raise :class:`InvalidInput` unless ``password`` is 1 to 1024 bytes of UTF-8 without NUL."""
    try:
        length = len(password.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput("The password is not valid Unicode.") from error
    if not 0 < length <= MAX_PASSWORD_BYTES or "\0" in password:
        raise InvalidInput(f"The password must have 1 to {MAX_PASSWORD_BYTES} bytes and no NUL.")
