"""Every setting, read once from the environment; docs and code share the one table below."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from app.errors import ConfigurationError
from app.files.end_entity_profile_files import END_ENTITIES
from app.files.secrets import SecretSource
from app.pki.end_entity_rules import DOJOT_PASSWORD

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PACKAGE: Final = Path(__file__).parent


def shipped(name: str) -> Path:
    """Return ``profiles`` or ``migrations``: inside the package when installed, beside it in a checkout."""
    return next(path for path in (_PACKAGE / name, _PACKAGE.parent / name) if path.is_dir())


_MAX_DIGITS: Final = 9
_URL: Final = re.compile(r"[A-Za-z0-9._~:/\[\]%-]{1,255}", re.ASCII)

DESCRIPTIONS: Final = {
    "MIDCA_DATA": "Data directory: database, CA certificates, keys, secrets. Default `./var`.",
    "MIDCA_PROFILES": "Directory of the certificate profiles, `end_entities/` and `hierarchy.yaml`. "
    "Default: the shipped ones.",
    "MIDCA_HOST": "Address to listen on. Default `127.0.0.1`.",
    "MIDCA_PORT": "Port to listen on. Default `5583`.",
    "MIDCA_WORKERS": "Worker processes. Default: the number of processors, at least 2.",
    "MIDCA_THREADS": "Threads of each worker. Default `8`.",
    "MIDCA_LOG_FORMAT": "`json`, `text`, or `auto` (default): text on a terminal, JSON elsewhere.",
    "MIDCA_KEY_PASSPHRASE_FILE": "File with the passphrase of the CA keys, mode 0600. "
    "Default `$MIDCA_DATA/secrets/key-passphrase`, made at the first start.",
    "MIDCA_KEY_PASSPHRASE": "The passphrase itself. Environment variables leak: prefer a file or systemd credential.",
    "MIDCA_PEPPER_FILE": "File with the secret that enrolment passwords are hashed with, mode 0600. "
    "Default `$MIDCA_DATA/secrets/pepper`, made at the first start.",
    "MIDCA_PEPPER": "That secret itself; the same warning.",
    "MIDCA_TRUSTED_NETWORKS": "Networks (CIDR, comma-separated) whose hosts may use `/user` without a token, as "
    "dojot's own services always have. **Weakens**: whoever is in them manages end entities. Default: none.",
    "MIDCA_METRICS_NETWORKS": "Networks (CIDR, comma-separated) whose hosts may read `/metrics` without a token. "
    "Default: none.",
    "MIDCA_DEFAULT_PASSWORD": "Password of an end entity that is registered without one: `dojot` (default, its clients "
    "expect it) or `none` (one must be given). `dojot` is public: who reaches `/sign` first wins.",
    "MIDCA_REENROL": "`once` (default): a password is good for one certificate. `always`: it signs again on GENERATED "
    "ones. **Weakens**: whoever learns a device's password gets certificates in its name until it is changed.",
    "MIDCA_CRL_HOURS": "Hours a revocation list is good; a new one is issued at half of that, and within seconds of a "
    "revocation. Default `168`. A broker that holds one past its end refuses every device.",
    "MIDCA_DELTA_CRL_HOURS": "Hours a delta CRL is good; `0` (default): none are issued. mosquitto reads none.",
    "MIDCA_PUBLIC_URL": "Where the world reaches this server, such as `http://ca.example.org:5583`; new certificates "
    "then say where their CRL, their issuer and the OCSP responder are. Several, separated by commas: new certificates "
    "name the first, CRLs answer to all; keep an old one while certificates name it. Default: none.",
    "MIDCA_OCSP_MAX_AGE": "Seconds an HTTP cache may keep an OCSP answer, and so miss a revocation; `0` forbids it. "
    "Default `30`.",
    "MIDCA_RETRY_WINDOW": "Seconds in which the same name, password and request get the same certificate again. "
    "Default `900`.",
}
"""All settings and what they mean; README shows them, and a test holds the two together."""


@dataclass(frozen=True)
class Settings:
    """The settings of one process."""

    data: Path
    profiles: Path
    migrations: Path
    host: str
    port: int
    workers: int
    threads: int
    log_format: str
    trusted_networks: tuple[Network, ...]
    metrics_networks: tuple[Network, ...]
    default_password: str | None = field(repr=False)
    retry_window: timedelta
    reenrol: bool
    crl_validity: timedelta
    delta_crl_validity: timedelta | None
    public_urls: tuple[str, ...]
    ocsp_max_age: timedelta
    key_passphrase: SecretSource
    pepper: SecretSource

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment; raise :class:`ConfigurationError` naming the setting that makes no sense."""
        unknown = {name for name in environment if name.startswith("MIDCA_")} - DESCRIPTIONS.keys()
        if unknown:
            raise ConfigurationError(f"There is no setting {min(unknown)}.")
        data = Path(environment.get("MIDCA_DATA", "var")).absolute()
        return cls(
            data=data,
            profiles=Path(environment["MIDCA_PROFILES"]) if "MIDCA_PROFILES" in environment else shipped("profiles"),
            migrations=shipped("migrations"),
            host=environment.get("MIDCA_HOST", "127.0.0.1"),
            port=_number(environment, "MIDCA_PORT", 5583, 1, 65535),
            workers=_number(environment, "MIDCA_WORKERS", max(os.cpu_count() or 1, 2), 1, 128),
            threads=_number(environment, "MIDCA_THREADS", 8, 1, 256),
            log_format=_choice(environment, "MIDCA_LOG_FORMAT", ("auto", "json", "text")),
            trusted_networks=_networks(environment, "MIDCA_TRUSTED_NETWORKS"),
            metrics_networks=_networks(environment, "MIDCA_METRICS_NETWORKS"),
            default_password=(
                DOJOT_PASSWORD
                if _choice(environment, "MIDCA_DEFAULT_PASSWORD", (DOJOT_PASSWORD, "none")) == DOJOT_PASSWORD
                else None
            ),
            retry_window=timedelta(seconds=_number(environment, "MIDCA_RETRY_WINDOW", 900, 0, 86400)),
            reenrol=_choice(environment, "MIDCA_REENROL", ("once", "always")) == "always",
            crl_validity=timedelta(hours=_number(environment, "MIDCA_CRL_HOURS", 168, 1, 8784)),
            delta_crl_validity=timedelta(hours=_number(environment, "MIDCA_DELTA_CRL_HOURS", 0, 0, 8784)) or None,
            public_urls=_urls(environment),
            ocsp_max_age=timedelta(seconds=_number(environment, "MIDCA_OCSP_MAX_AGE", 30, 0, 1800)),
            key_passphrase=_secret(environment, "midca-key-passphrase", "MIDCA_KEY_PASSPHRASE", data, "key-passphrase"),
            pepper=_secret(environment, "midca-pepper", "MIDCA_PEPPER", data, "pepper"),
        )

    @property
    def database(self) -> Path:
        """The database file."""
        return self.data / "midca.sqlite"

    @property
    def authority_files(self) -> Path:
        """The directory of CA certificates and keys."""
        return self.data / "ca"

    @property
    def responder_files(self) -> Path:
        """The directory of the OCSP responders' keys and certificates."""
        return self.authority_files / "ocsp"

    @property
    def end_entity_profiles(self) -> Path:
        """The directory of the end entity profiles: in that of the profiles, or the shipped one where none is there."""
        own = self.profiles / END_ENTITIES
        return own if own.is_dir() else shipped("profiles") / END_ENTITIES

    @property
    def server_process(self) -> Path:
        """The file that a server writes its process id to."""
        return self.data / "server.pid"

    @property
    def admin_token(self) -> Path:
        """The file a fresh CA writes its admin token to."""
        return self.data / "admin.token"


def _number(environment: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or len(text) > _MAX_DIGITS or not lowest <= int(text) <= highest:
        raise ConfigurationError(f"{name} must be a number from {lowest} to {highest}, not {text[:20]!r}.")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, choices: tuple[str, ...]) -> str:
    value = environment.get(name, choices[0])
    if value not in choices:
        raise ConfigurationError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def _networks(environment: Mapping[str, str], name: str) -> tuple[Network, ...]:
    texts = [text.strip() for text in environment.get(name, "").split(",")]
    try:
        return tuple(ipaddress.ip_network(text) for text in texts if text)
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}.") from error


def _urls(environment: Mapping[str, str]) -> tuple[str, ...]:
    texts = [text.strip().rstrip("/") for text in environment.get("MIDCA_PUBLIC_URL", "").split(",")]
    return tuple(_checked_url(text) for text in texts if text)


def _checked_url(text: str) -> str:
    """Return a URL that can be continued by a path; it goes into certificates, so it is held to RFC 3986."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or not _URL.fullmatch(text) or parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError(f"MIDCA_PUBLIC_URL must be URLs like http://ca.example.org:5583, not {text[:80]!r}.")
    return text


def _secret(environment: Mapping[str, str], credential: str, setting: str, data: Path, default: str) -> SecretSource:
    directory = environment.get("CREDENTIALS_DIRECTORY")
    file = environment.get(f"{setting}_FILE")
    return SecretSource(
        name=setting,
        credential=Path(directory) / credential if directory else None,
        file=Path(file) if file else None,
        value=environment.get(setting),
        default=data / "secrets" / default,
    )
