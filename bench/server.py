"""``midca serve`` as a process of its own, and what the kernel knows of it."""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from bench.installation import environment

_START_DEADLINE: Final = 60.0
_POLL: Final = 0.005
_TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Memory:
    """Megabytes: what each worker has in memory, and the whole server with shared pages counted once."""

    workers_rss: list[float]
    server_pss: float


class Server:
    """A running server; leaving the context ends it. ``started_in`` is the time from spawning it to its first 200."""

    def __init__(self, directory: Path) -> None:
        """Start on the installation in ``directory``, on a free port of the loopback interface."""
        self.port = _free_port()
        self._log = directory / "server.log"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIDCA_")}
        midca = str(Path(sys.executable).with_name("midca"))
        command = [midca, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("a") as log:
            started = time.perf_counter()
            self._process = subprocess.Popen(
                command, env={**inherited, **environment(directory)}, cwd=directory, stdout=log, stderr=log
            )
        try:
            self._await_health()
        except BaseException:
            self._process.kill()
            raise
        self.started_in = time.perf_counter() - started

    def __enter__(self) -> Self:
        """Return the server, which runs already."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it as an operator would, and by force if that takes too long."""
        self._process.terminate()
        try:
            self._process.wait(timeout=45)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def memory(self) -> Memory:
        """Return what it holds now."""
        rss = [_kilobytes(pid, "status", "VmRSS") for pid in self._workers()]
        pss = sum(_kilobytes(pid, "smaps_rollup", "Pss") for pid in self._all())
        return Memory([_megabytes(size) for size in rss], _megabytes(pss))

    def cpu_seconds(self) -> float:
        """Return the processor time all its processes used so far, in steps of a clock tick (10 ms)."""
        ticks = 0
        for pid in self._all():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])  # utime and stime, proc_pid_stat(5)
        return ticks / _TICKS

    def _workers(self) -> list[int]:
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def _all(self) -> list[int]:
        return [self._process.pid, *self._workers()]

    def _await_health(self) -> None:
        deadline = time.monotonic() + _START_DEADLINE
        while not self._healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-2000:]}")
            time.sleep(_POLL)

    def _healthy(self) -> bool:
        with _connection(self.port) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == http.HTTPStatus.OK
            except OSError:
                return False


@contextmanager
def _connection(port: int) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        yield connection
    finally:
        connection.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _kilobytes(pid: int, file: str, key: str) -> int:
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise RuntimeError(f"/proc/{pid}/{file} has no {key}")


def _megabytes(kibibytes: int) -> float:
    return round(kibibytes * 1024 / 1_000_000, 1)
