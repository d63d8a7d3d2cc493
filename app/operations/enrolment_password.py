"""Verifiers for enrolment passwords: what is stored can check a password but not give it away.

Always a keyed hash (HMAC-SHA256) whose key, the pepper, is not in the database: who steals the database alone cannot
try passwords. A verifier names its pepper, so that peppers can be changed. A password that a person chose is first
stretched with scrypt, so that a thief of both still has work to do; a random one of 128 bits needs no stretching, and
one that is public (dojot's default) cannot gain from it. NIST SP 800-63B section 5.1.1.2 draws the line at 112 bits.
"""

from __future__ import annotations

import base64
import re
import secrets
import threading
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.errors import InvalidInput
from app.operations.peppers import Pepper, peppers_of

MAX_PASSWORD_BYTES: Final = 1024
_SALT_BYTES: Final = 16
_RANDOM_LOOKING: Final = re.compile(r"[0-9A-Fa-f]{28,}|[A-Za-z0-9+/=_-]{22,}")  # at least 112 bits of hex, of base64
_NOBODYS: Final = f"{base64.b64encode(bytes(_SALT_BYTES)).decode()}${base64.b64encode(bytes(32)).decode()}"
# One stretching at a time in a process: it takes 16 MiB and 30 ms, which guesses must not multiply.
_stretching = threading.Semaphore(1)


class EnrolmentPasswords:
    """Makes and checks verifiers ``ca2$<method>$<kid>$<salt>$<mac>``; method ``h`` is HMAC alone, ``s`` scrypt first.

    Those of the time before peppers could be changed, ``ca1$<method>$<salt>$<mac>``, do not say which is theirs.
    """

    def __init__(
        self, secret: Callable[[], tuple[bytes, ...]], public_default: str | None, now: Callable[[], datetime]
    ) -> None:
        """Take what gives the lines of the pepper, and the password that is public by design (dojot's), if any."""
        self._secret = secret
        self._public_default = public_default
        self._now = now

    def verifier(self, username: str, password: str) -> str:
        """Return a new verifier; raise :class:`InvalidInput` for a password nobody can have."""
        check_password(password)
        chosen = password != self._public_default and not _RANDOM_LOOKING.fullmatch(password)
        method = "s" if chosen else "h"
        salt = secrets.token_bytes(_SALT_BYTES)
        pepper = self._peppers()[0]
        mac = _mac(pepper, username, salt, _stretched(method, salt, password)).finalize()
        return f"ca2${method}${pepper.kid}${base64.b64encode(salt).decode()}${base64.b64encode(mac).decode()}"

    def matches(self, username: str, password: str, verifier: str | None) -> bool:
        """Return whether the password is the one of ``verifier``; None (no such name) does the same work.

        A stretched password takes longer than that. EJBCA's texts tell names apart anyway.
        """
        check_password(password)
        peppers = self._peppers()
        _, method, *kid, salt_text, mac = (verifier or f"ca2$h${peppers[0].kid}${_NOBODYS}").split("$")
        salt = base64.b64decode(salt_text)
        secret = _stretched(method, salt, password)
        candidates = [pepper for pepper in peppers if pepper.is_good(self._now()) and kid in ([], [pepper.kid])]
        fits = any(_fits(_mac(pepper, username, salt, secret), base64.b64decode(mac)) for pepper in candidates)
        return fits and verifier is not None

    def is_guessable(self, verifier: str | None) -> bool:
        """Return whether the password may be one that a person chose: no guessing finds a random one."""
        return verifier is None or verifier.split("$")[1] == "s"

    def is_public(self, username: str, verifier: str) -> bool:
        """Return whether the password is the public default; that is never stretched."""
        default = self._public_default
        return default is not None and "$s$" not in verifier and self.matches(username, default, verifier)

    def _peppers(self) -> tuple[Pepper, ...]:
        return _peppers_of(self._secret())


# Parsed once for each state of the secret: the lines are the same object's until its file changes.
_peppers_of = lru_cache(maxsize=8)(peppers_of)


def _stretched(method: str, salt: bytes, password: str) -> bytes:
    if method != "s":
        return password.encode()
    with _stretching:
        return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(password.encode())


def _mac(pepper: Pepper, username: str, salt: bytes, secret: bytes) -> hmac.HMAC:
    mac = hmac.HMAC(pepper.secret, hashes.SHA256())
    name = username.encode()
    mac.update(b"enrol/1" + len(name).to_bytes(2) + name + salt + secret)
    return mac


def _fits(mac: hmac.HMAC, expected: bytes) -> bool:
    try:
        mac.verify(expected)
    except InvalidSignature:
        return False
    return True


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
