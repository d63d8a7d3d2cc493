"""How the text of a setting becomes a value, or a sentence that names the setting."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.errors import ConfigurationError
from app.files.secrets import SecretSource
from app.files.tls_files import TlsFiles
from app.operations.services import Network

SQLITE: Final = "sqlite"
_MAX_DIGITS: Final = 9
_URL: Final = re.compile(
    r"https?://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?"
    r"(/([A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)*",
    re.ASCII,
)


def number(environment: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    """Return a whole number in these bounds."""
    text = environment.get(name, str(default))
    if not text.isdecimal() or len(text) > _MAX_DIGITS or not lowest <= int(text) <= highest:
        raise ConfigurationError(f"{name} must be a number from {lowest} to {highest}, not {text[:20]!r}.")
    return int(text)


def choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    """Return one of the words, the first by default; another is not repeated, for it may be meant as a password."""
    value = environment.get(name, choices[0])
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}.")
    return value


def networks(environment: Mapping[str, str], name: str) -> tuple[Network, ...]:
    """Return networks in CIDR notation, none by default."""
    texts = [text.strip() for text in environment.get(name, "").split(",")]
    try:
        return tuple(ipaddress.ip_network(text) for text in texts if text)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}.") from error


def checked_url(text: str, setting: str) -> str:
    """Return a URL that can be continued by a path; it may go into certificates, so it is held to RFC 3986."""
    try:
        parts = urlsplit(text)
        good = bool(parts.hostname) and parts.port != 0 and not parts.netloc.endswith(":")
    except ValueError:
        good = False
    if not good or not _URL.fullmatch(text) or {".", ".."} & set(parts.path.split("/")):
        shown = text.rpartition("@")[2][:80]  # without a password
        raise ConfigurationError(f"{setting} must be a URL like http://ca.example.org:5583, not {shown!r}.")
    return text


def secret(environment: Mapping[str, str], credential: str, setting: str, data: Path, default: str) -> SecretSource:
    """Return where a secret comes from: a systemd credential, a file, the environment, or the data directory."""
    directory = environment.get("CREDENTIALS_DIRECTORY")
    file = environment.get(f"{setting}_FILE")
    return SecretSource(
        name=setting,
        credential=Path(directory) / credential if directory else None,
        file=Path(file) if file else None,
        value=environment.get(setting),
        default=data / "secrets" / default,
    )


def tls(environment: Mapping[str, str]) -> TlsFiles | None:
    """Return the files that TLS is spoken with, None where it is not."""
    names = ("MIDCA_TLS_CERTIFICATE", "MIDCA_TLS_KEY", "MIDCA_TLS_CLIENT_CA")
    certificate, key, client_ca = (
        Path(environment[name]).absolute() if name in environment else None for name in names
    )
    if certificate is not None and key is not None:
        return TlsFiles(certificate, key, client_ca)
    if given := [name for name in names if name in environment]:
        raise ConfigurationError(
            f"{given[0]} alone does nothing: TLS needs both MIDCA_TLS_CERTIFICATE and MIDCA_TLS_KEY."
        )
    return None


def database_address(text: str) -> str:
    """Return the address of a PostgreSQL, or nothing for SQLite; an address may hold a password and is not shown."""
    if text != SQLITE and not text.startswith(("postgresql://", "postgres://")):
        raise ConfigurationError("MIDCA_DATABASE must be sqlite or an address that begins with postgresql://.")
    return "" if text == SQLITE else text
