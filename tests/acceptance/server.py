"""The real server as a user starts it: its own processes, its own port, a data directory that outlives it."""

import http.client
import itertools
import json
import os
import random
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

from app.store.sqlite_library import sqlite3
from tests.builders import profiles_directory
from tests.signer_oracle import SignerOracle

MIDCA = Path(sys.executable).parent / "midca"
SERVE_WITH_ORACLE = Path(__file__).parent.parent / "serve_with_oracle.py"
PASSWORD = "0123456789abcdef0123456789abcdef"  # looks random, so the server does not stretch it
NO_ANSWER = (OSError, http.client.HTTPException)
"""What a client meets when the server dies: URLError and resets are OSErrors, half an answer is an HTTPException."""


_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 4
_RANGE = range(10_000 + 5_000 * _WORKER, 15_000 + 5_000 * _WORKER)
_PORTS = itertools.cycle(random.sample(_RANGE, len(_RANGE)))


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def certificate(self) -> str:
        """The value of a 200 to /sign."""
        return self.body["status"]["data"]


class RunningServer:
    """``midca serve`` on ``base/data``; a context manager that starts and stops it, any number of times.

    ``oracle`` notes every signature in ``base/oracle``. ``shipped`` takes the shipped profiles with their large keys.
    """

    def __init__(
        self, base: Path, *, oracle: bool = True, shipped: bool = False, workers: int = 4, database: str = ""
    ) -> None:
        self.base = base
        self.data = base / "data"
        self.database = self.data / "midca.sqlite"
        self.oracle = SignerOracle(base / "oracle") if oracle else None
        self.program = [MIDCA] if self.oracle is None else [sys.executable, SERVE_WITH_ORACLE, self.oracle.file]
        self.process: subprocess.Popen[bytes] | None = None
        self.port = 0
        profiles = base / "profiles"
        if not shipped and not profiles.exists():
            profiles_directory(profiles)
        self.environment = environment(base, shipped=shipped) | {"MIDCA_WORKERS": str(workers)}
        self.address = database
        if database:
            self.environment["MIDCA_DATABASE"] = database

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.stop()

    def start(self, *, wait: bool = True) -> None:
        self.port = free_port()
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                self.command(), env=self.environment, cwd=self.base, stdout=log, stderr=log, start_new_session=True
            )
        if wait:
            self.wait_until_healthy()

    def command(self) -> list[str | Path]:
        return [*self.program, "serve", "--host", "127.0.0.1", "--port", str(self.port)]

    def wait_until_healthy(self, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if self.get("/health").status == 200:
                    return
            except NO_ANSWER:
                time.sleep(0.02)
        status = self.process.poll()
        self.kill()
        raise AssertionError(f"the server is not healthy (exit status {status}):\n{self.log}")

    def terminate(self) -> None:
        """Ask the server to end, as an operator or systemd does."""
        self.process.send_signal(signal.SIGTERM)

    def stop(self) -> int:
        """SIGTERM, and wait; return the exit status."""
        self.terminate()
        return self.wait()

    def wait(self, timeout: float = 60) -> int:
        """Wait for the server to end; return its exit status."""
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the server did not end:\n{self.log}") from None
        self.process = None
        return status

    def kill(self) -> None:
        """SIGKILL every process of the server at once, as a power cut does."""
        with suppress(ProcessLookupError):  # it ended by itself
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process = None

    def wait_for(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until something is so, which takes the server a moment."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.05)

    def workers(self) -> list[int]:
        """The process ids of the workers that are alive."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        beside = {*self.beside("does the upkeep"), *self.beside("reads device events")}
        return [int(child) for child in children if _is_alive(child) and int(child) not in beside]

    def beside(self, task: str) -> list[int]:
        """The process ids of all that have had a task beside the workers, as the log tells; the newest is the last."""
        return [int(pid) for pid in re.findall(rf"process (\d+) {task}", self.log)]

    def get(self, path: str, token: str | None = None) -> Answer:
        return self._ask(urllib.request.Request(self._url(path), headers=_headers(token)))

    def text(self, path: str) -> str:
        """Return the body of an answer that is no JSON."""
        with urllib.request.urlopen(self._url(path), timeout=30) as response:
            return response.read().decode()

    def delete(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self._url(path), headers=_headers(self.admin_token), method="DELETE"))

    def put(self, path: str) -> Answer:
        return self._ask(urllib.request.Request(self._url(path), headers=_headers(self.admin_token), method="PUT"))

    def post(self, path: str, document: Any, token: str | None = None) -> Answer:
        body = json.dumps(document).encode()
        return self._ask(urllib.request.Request(self._url(path), body, _headers(token), method="POST"))

    def register(self, username: str, password: str = PASSWORD, **fields: Any) -> Answer:
        return self.post("/user", {"username": username, "password": password, **fields}, self.admin_token)

    def sign(self, username: str, request: str, password: str = PASSWORD) -> Answer:
        return self.post(f"/sign/{username}/pkcs10", {"passwd": password, "certificate": request})

    def sql(self, statement: str, *parameters: Any) -> list[tuple]:
        if self.address:
            with psycopg.connect(self.address) as connection:
                return connection.execute(statement.replace("?", "%s"), parameters or None).fetchall()
        connection = sqlite3.connect(self.database)
        try:
            return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def issued_to(self, username: str) -> list[str]:
        """The base64 of the DER of each certificate that was issued to an end entity."""
        rows = self.sql("SELECT certificate FROM certificates WHERE username = ? AND state = 'issued'", username)
        return [row[0] for row in rows]

    def check_signed_is_recorded(self) -> None:
        if self.oracle is not None and (self.address or self.database.exists()):
            signed = set(self.oracle.signed())
            assert signed, "the oracle saw no signature, not even that of the root CA"
            rows = self.sql("SELECT tbs_sha256 FROM certificates UNION ALL SELECT tbs_sha256 FROM revocation_lists")
            assert signed <= {tbs for (tbs,) in rows}

    def verify_audit_log(self) -> dict[str, Any]:
        """What ``midca audit verify`` prints; nothing may be found."""
        command = [MIDCA, "audit", "verify", "--json"]
        done = subprocess.run(command, env=self.environment, cwd=self.base, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    @property
    def admin_token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    @property
    def log_file(self) -> Path:
        return self.base / f"server-{self.port}.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")

    @property
    def _tls(self) -> ssl.SSLContext | None:
        """What trusts the server's certificate, whose file ends with the root; None where plain HTTP is spoken."""
        trusted = self.environment.get("MIDCA_TLS_CERTIFICATE")
        return ssl.create_default_context(cafile=trusted) if trusted else None

    def _url(self, path: str) -> str:
        address = "https://localhost" if "MIDCA_TLS_CERTIFICATE" in self.environment else "http://127.0.0.1"
        return f"{address}:{self.port}{path}"

    def _ask(self, request: urllib.request.Request) -> Answer:
        try:
            with urllib.request.urlopen(request, timeout=30, context=self._tls) as response:
                return Answer(response.status, json.load(response))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.load(error))


def environment(base: Path, *, shipped: bool = False) -> dict[str, str]:
    """The environment of the test run, with no settings in it but those for ``base``."""
    outer = {name: value for name, value in os.environ.items() if not name.startswith("MIDCA_")}
    outer.pop("CREDENTIALS_DIRECTORY", None)
    profiles = {} if shipped else {"MIDCA_PROFILES": str(base / "profiles")}
    temporary = base / "tmp"  # what a killed server leaves behind goes with the test's own files
    temporary.mkdir(parents=True, exist_ok=True)
    return {**outer, "MIDCA_DATA": str(base / "data"), "TMPDIR": str(temporary), **profiles}


def free_port() -> int:
    """Return a port for a server that is about to start.

    It is below those that systems give to clients (32768 and up), so no connection has it when the server comes, and
    no other worker of a parallel run is given it.
    """
    return next(port for port in _PORTS if _is_free(port))


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _headers(token: str | None) -> dict[str, str]:
    json_body = {"Content-Type": "application/json"}
    return json_body if token is None else {**json_body, "Authorization": f"Bearer {token}"}


def _is_alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
