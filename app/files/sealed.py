"""Secrets that leave the machine: sealed with a passphrase that a person keeps.

Fernet (https://github.com/fernet/spec: AES-128-CBC and HMAC-SHA256) under a key that scrypt (RFC 7914) makes of the
passphrase; both are in ``cryptography``, so a few lines of Python open it anywhere, without midca.
"""

from __future__ import annotations

import base64
import secrets
from typing import Any, Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from app.errors import InvalidInput

MIN_PASSPHRASE: Final = 16
_COST: Final = {"n": 2**17, "r": 8, "p": 1}  # 128 MiB and a third of a second for each guess
_MAX_N: Final = 2**20  # what a file may ask for when it is opened


def seal(content: bytes, passphrase: str) -> tuple[bytes, dict[str, Any]]:
    """Return the sealed content, and how its key is made: ``n``, ``r`` and ``p`` of scrypt, and the salt in base64.

    Raises :class:`InvalidInput` for a passphrase under 16 characters.
    """
    if len(passphrase) < MIN_PASSPHRASE:
        raise InvalidInput(f"The passphrase must have {MIN_PASSPHRASE} characters: it guards the keys of the CAs.")
    derivation = {**_COST, "salt": base64.b64encode(secrets.token_bytes(16)).decode()}
    return Fernet(_key(passphrase, derivation)).encrypt(content), derivation


def unseal(sealed: bytes, passphrase: str, derivation: dict[str, Any]) -> bytes:
    """Return what was sealed; raise :class:`InvalidInput` when the passphrase is another one, or a bit was changed."""
    if derivation["n"] > _MAX_N:
        raise InvalidInput(f"The secrets ask for scrypt with n = {derivation['n']}; midca has never sealed so.")
    try:
        return Fernet(_key(passphrase, derivation)).decrypt(sealed)
    except (InvalidToken, ValueError) as error:
        raise InvalidInput("The passphrase does not open the secrets.") from error


def _key(passphrase: str, derivation: dict[str, Any]) -> bytes:
    salt = base64.b64decode(derivation["salt"])
    scrypt = Scrypt(salt=salt, length=32, n=derivation["n"], r=derivation["r"], p=derivation["p"])
    return base64.urlsafe_b64encode(scrypt.derive(passphrase.encode()))
