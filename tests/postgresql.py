"""A real PostgreSQL for the tests: a server of its own on the loopback interface, thrown away afterwards."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import psycopg
import pytest

from tests.acceptance.server import free_port

_SETTINGS = "-c fsync=off -c full_page_writes=off -c max_connections=200 -c unix_socket_directories={base}"


def require_postgresql() -> Path:
    """Return the directory of the server's programs, newest version first; skip the test, or fail it in CI."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    if initdb := shutil.which("initdb"):
        found.append(Path(initdb))
    if not found:
        message = "there is no PostgreSQL server on this machine (Debian: apt-get install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found[0].parent


class Postgresql:
    """A server; started as another user when the tests run as root, which PostgreSQL refuses to be."""

    def __init__(self) -> None:
        self._bin = require_postgresql()
        self._user = "postgres" if os.geteuid() == 0 else None
        self.base = Path(tempfile.mkdtemp(prefix="midca-postgresql-"))
        if self._user:
            os.chown(self.base, pwd.getpwnam(self._user).pw_uid, -1)
        self.port = free_port()
        self._run("initdb", "-D", "data", "-U", "midca", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 {_SETTINGS.format(base=self.base)}"
        self._run("pg_ctl", "-D", "data", "-w", "-l", "log", "-o", options, "start")

    def stop(self, mode: str = "immediate") -> None:
        self._run("pg_ctl", "-D", "data", "-w", "-m", mode, "stop")

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.base)

    def address(self, name: str) -> str:
        return f"postgresql://midca@127.0.0.1:{self.port}/{name}"

    def create(self, name: str, template: str = "template1") -> str:
        """Make a database, empty or like another that nobody is connected to; return its address."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.address(name)

    def drop(self, name: str) -> None:
        """Take a database away: its three hundred files go at once as long as they are new, and slowly later."""
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, statement: str) -> None:
        """Run a statement about the server's databases."""
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)  # type: ignore[arg-type] # our own names

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._bin / program, *arguments],
            check=True,
            cwd=self.base,
            user=self._user,
            stdout=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": str(self.base)},
        )
