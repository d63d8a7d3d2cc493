"""What the figures were measured on; without it they mean nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

from app.store.sqlite_library import sqlite3


@dataclass(frozen=True)
class Machine:
    """The machine and the libraries. ``load`` is the load average of the last minute before the run."""

    cpu: str
    processors: int
    kernel: str
    python: str
    cryptography: str
    openssl: str
    sqlite: str
    filesystem: str
    midca: str
    load: float


def processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0))


def describe(directory: Path) -> Machine:
    """Describe this machine, with the filesystem that ``directory`` lies on."""
    return Machine(
        cpu=_cpu(),
        processors=processors(),
        kernel=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        cryptography=version("cryptography"),
        openssl=backend.openssl_version_text(),
        sqlite=sqlite3.sqlite_version,
        filesystem=_filesystem(directory.resolve()),
        midca=version("midca"),
        load=round(os.getloadavg()[0], 2),
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _filesystem(directory: Path) -> str:
    """Return the type of the mount that is nearest above ``directory``; the last of several on one point is seen."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    types = {Path(point): kind for _, point, kind, *_ in mounts}
    return next((types[path] for path in (directory, *directory.parents) if path in types), "unknown")


def peak_megabytes() -> float:
    """Return the most memory this process has had, in 1 000 000 bytes; getrusage would count its parent's, too."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError("/proc/self/status has no VmHWM")
