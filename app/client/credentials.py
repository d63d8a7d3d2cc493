"""Secrets come from files or the environment, or are asked for: a command line can be seen by other users."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path
from typing import Final

import click

from .errors import FileTrouble, during
from .http_server import HttpServer
from .login import Session, Token, log_in

USERNAME: Final = "DOJOT_USERNAME"
PASSWORD: Final = "DOJOT_PASSWORD"  # noqa: S105 -- the name of a variable
DEVICE_PASSWORD: Final = "DOJOT_DEVICE_PASSWORD"  # noqa: S105 -- the same
_EVERYBODYS: Final = "dojot"


def open_session(
    server: HttpServer, username: str | None, password_file: Path | None, token_file: Path | None, *, login: bool
) -> Session:
    """Return a session that logs in when it first asks, unless there is a token or no ``login``."""
    if token_file:
        return Session(server, Token(_first_line(token_file)))
    if not login:
        return Session(server)

    @functools.cache
    def credentials() -> tuple[str, str]:
        name = username or click.prompt("dojot user", err=True)
        password = _first_line(password_file) if password_file else os.environ.get(PASSWORD)
        return name, password or click.prompt(f"Password of {name}", hide_input=True, err=True)

    def renew() -> Token:
        name, password = credentials()
        say(f"Logging in at {server.url}/auth")
        with during("log in"):
            return log_in(server, name, password)

    return Session(server, renew=renew)


def device_password(file: Path | None) -> str:
    """Return the enrolment password of devices that have none of their own in the list."""
    if file:
        return _first_line(file)
    return os.environ.get(DEVICE_PASSWORD) or _EVERYBODYS


def say(step: str) -> None:
    """Tell somebody who watches what is being done."""
    if sys.stderr.isatty():
        click.echo(f"{step} ...", err=True)


def _first_line(path: Path) -> str:
    try:
        with click.open_file(str(path), encoding="utf-8") as file:
            text: str = file.readline().strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise FileTrouble(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    if not text or not text.isprintable():
        raise FileTrouble(f"{path} holds nothing in its first line that can be used.")
    return text
