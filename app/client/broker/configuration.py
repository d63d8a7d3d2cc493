"""``agent.toml``: what ``midca broker setup`` wrote and an operator may change; an unknown key is named and refused."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from ..certification_request import Names
from ..errors import ClientError, FileTrouble
from ..files import read
from ..http_server import HttpServer
from ..private_key import KEY_TYPES, KeyKind
from .dynamic_security import DynamicSecurity
from .emqx import Emqx
from .reload import Command, Reload, Signal, nothing
from .sessions import CommandSessions, Sessions
from .toml_reader import Reader

FILE: Final = "agent.toml"
_LONGEST_INTERVAL: Final = 3600
_LONGEST_RENEWAL: Final = 3650


@dataclass(frozen=True)
class CaAccess:
    """Where the CA is, which root it has, and the token that may read whose certificates were revoked."""

    server: HttpServer
    name: str
    root_sha256: str
    token_file: Path | None
    interval: timedelta


@dataclass(frozen=True)
class OwnCertificate:
    """What the broker's certificate is like, and when a new one is due."""

    names: Names
    key: KeyKind
    renew_before: timedelta


@dataclass(frozen=True)
class Configuration:
    """All of one agent; ``directory`` holds what it writes. Without ``sessions`` none are ended."""

    directory: Path
    ca: CaAccess
    certificate: OwnCertificate
    reload: Reload
    sessions: Sessions | None
    metrics_file: Path | None


def load(directory: Path) -> Configuration:
    """Read ``agent.toml``; raise :class:`FileTrouble` with the key that makes no sense."""
    path = directory / FILE
    content = read(path)
    if content is None:
        raise FileTrouble(f"There is no {path}.", "Make it with: midca broker setup --out DIRECTORY")
    try:
        document: dict[str, Any] = tomllib.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise FileTrouble(f"{path} is no TOML: {error}.") from error
    try:
        return _configuration(directory, Reader(path, "", document))
    except FileTrouble:
        raise
    except ClientError as error:  # of a name or a URL
        raise FileTrouble(f"{path}: {error}", error.advice) from error


def _configuration(directory: Path, reader: Reader) -> Configuration:
    with reader:
        return Configuration(
            directory=directory,
            ca=_ca(reader.section("ca")),
            certificate=_certificate(reader.section("certificate")),
            reload=_reload(reader.section("reload")),
            sessions=_sessions(reader.section("sessions")),
            metrics_file=_metrics_file(reader.section("metrics")),
        )


def _ca(reader: Reader) -> CaAccess:
    with reader:
        return CaAccess(
            server=HttpServer.at(reader.text("url"), ca_file=reader.path("https_ca")),
            name=reader.text("name"),
            root_sha256=reader.text("root_sha256").upper(),
            token_file=reader.path("token_file"),
            interval=timedelta(seconds=reader.number("interval", 2, highest=_LONGEST_INTERVAL)),
        )


def _certificate(reader: Reader) -> OwnCertificate:
    with reader:
        return OwnCertificate(
            names=Names.of(reader.text("name"), reader.texts("dns"), reader.texts("ip")),
            key=KeyKind(reader.choice("key", KEY_TYPES), reader.number("key_length", 2048, highest=8192)),
            renew_before=timedelta(days=reader.number("renew_days", 25, highest=_LONGEST_RENEWAL)),
        )


def _reload(reader: Reader) -> Reload:
    with reader:
        if (pid_file := reader.path("pid_file")) is not None:
            return Signal(pid_file)
        command = reader.texts("command")
        return Command(command) if command else nothing


def _sessions(reader: Reader) -> Sessions | None:
    with reader:
        match reader.choice("broker", ("none", "mosquitto", "emqx", "command")):
            case "mosquitto":
                return DynamicSecurity(
                    socket=reader.path("socket"),
                    host=reader.text("host", "127.0.0.1"),
                    port=reader.number("port", 1883, highest=65535),
                    user=reader.text("user"),
                    password_file=reader.needed_path("password_file"),
                )
            case "emqx":
                return Emqx(
                    server=HttpServer.at(reader.text("url"), ca_file=reader.path("https_ca")),
                    key=reader.text("key"),
                    secret_file=reader.needed_path("secret_file"),
                    identity=reader.choice("identity", ("username", "clientid")),
                )
            case "command":
                return CommandSessions(_command(reader))
            case _:
                return None


def _command(reader: Reader) -> tuple[str, ...]:
    command = reader.texts("command")
    if not command:
        raise reader.trouble("command", "it must be there")
    if any(part.startswith("{name}") for part in command):
        raise reader.trouble("command", "an argument that begins with {name} could become an option")
    return command


def _metrics_file(reader: Reader) -> Path | None:
    with reader:
        return reader.path("file")
