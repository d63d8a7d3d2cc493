"""``midca broker setup``: a broker's certificate and all it needs beside it, in one directory."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from cryptography import x509

from ..certification_request import Names, make_request
from ..chain import check_certificate, fingerprint
from ..errors import ClientError, FileTrouble
from ..files import SECRET, is_there, sole_user, write
from ..private_key import KeyKind
from ..trusted_authority import check_pin
from . import certificate, configuration
from .broker_files import files_for
from .state import State
from .trusted_files import TrustedFiles

TOKEN_FILE: Final = "agent.token"  # noqa: S105 -- its name
_HTTPS_CA_FILE: Final = "https-ca.pem"
_LONGEST_SOCKET: Final = 107  # octets of a Unix socket's path


class Registrar(Protocol):
    """The CA for who may register end entities, on this machine or over HTTP. Raises :class:`ClientError`."""

    def trusted(self) -> TrustedFiles:
        """Return the CA's certificates and lists."""

    def register(self, name: str, password: str, *, replace: bool) -> None:
        """Register the broker; one that is there already only with ``replace``."""

    def sign(self, name: str, password: str, request: x509.CertificateSigningRequest) -> x509.Certificate:
        """Return the certificate."""

    def cursor(self) -> str | None:
        """Return the end of the feed of revocations, as it is now."""


@dataclass(frozen=True)
class Wishes:
    """What is wanted. ``place`` is where the broker's machine has the directory ``out``; ``url`` is for its agent."""

    broker: str
    names: Names
    key: KeyKind
    ca: str
    url: str
    out: Path
    place: Path
    port: int
    pid_file: Path
    token: str | None
    root_pin: str | None
    https_ca: bytes | None
    replace: bool


def set_up(wishes: Wishes, registrar: Registrar, now: Callable[[], datetime]) -> x509.Certificate:
    """Register the broker, get its certificate, write the directory; return the root that the broker trusts now.

    The broker is registered anew by the next try if this is interrupted: ``broker.pem`` is written last.
    """
    _check_place(wishes)
    with sole_user(wishes.out):
        if is_there(wishes.out / certificate.FILE):
            raise FileTrouble(f"{wishes.out} has a broker's key and certificate already.", "Give another directory.")
        trusted = registrar.trusted()
        if wishes.root_pin:
            check_pin(trusted.chain, wishes.root_pin)
        trusted = trusted.verified(fingerprint(trusted.chain[-1]), now())
        cursor = registrar.cursor()
        password, key = secrets.token_urlsafe(32), wishes.key.make()
        name = wishes.names.common_name
        registrar.register(name, password, replace=wishes.replace)
        own = registrar.sign(name, password, make_request(key, wishes.names))
        check_certificate(own, key, wishes.names, trusted.chain, now())
        trusted.write(wishes.out)
        write(wishes.out / certificate.PASSWORD_FILE, f"{password}\n".encode(), SECRET)
        if wishes.token:
            write(wishes.out / TOKEN_FILE, f"{wishes.token}\n".encode(), SECRET)
        if wishes.https_ca:
            write(wishes.out / _HTTPS_CA_FILE, wishes.https_ca)
        State(cursor=cursor).save(wishes.out)
        made = files_for(wishes.broker, wishes.place, wishes.port, wishes.pid_file)
        for file_name, file in made.files.items():
            write(wishes.out / file_name, file.content.encode(), file.mode)
        agent = _agent_toml(wishes, fingerprint(trusted.chain[-1])) + "\n" + made.agent
        write(wishes.out / configuration.FILE, agent.encode())
        certificate.install(wishes.out, key, own, trusted.chain)
    return trusted.chain[-1]


def _check_place(wishes: Wishes) -> None:
    if any(character.isspace() or not character.isprintable() for character in str(wishes.place)):
        raise ClientError(f"{wishes.place} cannot be written into a broker's configuration: it holds a blank.")
    if len(bytes(wishes.place / "control.sock")) > _LONGEST_SOCKET:
        raise ClientError(f"{wishes.place} is too long a path for a Unix socket in it.", "Give a shorter one.")


def _agent_toml(wishes: Wishes, root: str) -> str:
    dns = [name.value for name in wishes.names.alternative if isinstance(name, x509.DNSName)]
    ip = [str(name.value) for name in wishes.names.alternative if isinstance(name, x509.IPAddress)]
    https_ca = f'https_ca = "{_HTTPS_CA_FILE}"\n' if wishes.https_ca else ""
    return f"""\
# Made by `midca broker setup`, for `midca broker agent`; docs/broker.md explains it. Relative paths begin here.

[ca]
url = {json.dumps(wishes.url)}
{https_ca}name = {json.dumps(wishes.ca, ensure_ascii=False)}
root_sha256 = "{root}"
token_file = "{TOKEN_FILE}"

[certificate]
name = {json.dumps(wishes.names.common_name, ensure_ascii=False)}
dns = {json.dumps(dns)}
ip = {json.dumps(ip)}
key = "{wishes.key.key_type}"
key_length = {wishes.key.bits}
"""
