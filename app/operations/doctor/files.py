"""Checks that need no more than the file system: they run where midca does not even start."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Final

from app.files.presence import entries, is_directory, is_there
from app.operations.doctor.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.operations.doctor.patient import Patient

_TOLERANCE: Final = timedelta(minutes=5)
_TLS_ENDS_SOON: Final = timedelta(days=14)


def data_directory(patient: Patient) -> Iterator[Finding]:
    """Is there one, whole, and closed to others?"""
    data = patient.places.data
    if not is_directory(data):
        yield problem(f"There is no directory {data}.", "Set MIDCA_DATA, or make a CA with: midca init")
    elif is_there(patient.places.unfinished_restore):
        yield problem(f"A restore into {data} was not finished.", "Run midca restore again.")
    elif data.stat().st_mode & 0o077:
        yield warning(f"Others may enter {data} (mode {_mode(data)}).", f"chmod 0700 {data}")
    else:
        yield ok(f"{data} is closed to others.")


def secret_files(patient: Patient) -> Iterator[Finding]:
    """Can anybody else read or replace keys, secrets, the database?"""
    places = patient.places
    directories = (places.authorities / "keys", places.authorities / "ocsp", places.secrets)
    paths = [path for directory in directories for path in (directory, *entries(directory))]
    paths = [path for path in (*paths, places.database, places.data / "admin.token") if is_there(path)]
    found = [finding for path in paths for finding in _private(path)]
    yield from found
    if not found:
        yield ok(f"{len(paths)} files and directories are closed to others.")


def _private(path: Path) -> Iterator[Finding]:
    status = path.stat()
    if status.st_mode & 0o077:
        mode = "0700" if is_directory(path) else "0600"
        yield problem(f"{path} is open to others (mode {_mode(path)}).", f"chmod {mode} {path}, and ask who read it.")
    if status.st_uid not in {os.geteuid(), 0}:
        yield problem(f"{path} belongs to another user (uid {status.st_uid}).", "chown it to the user of the server.")


def file_system_clock(patient: Patient) -> Iterator[Finding]:
    """Do the clocks of this machine and of the disk agree? They differ where the disk is another machine's."""
    if not is_directory(patient.places.data):
        return
    with NamedTemporaryFile(dir=patient.places.data, prefix=".clock.") as probe:
        written = datetime.fromtimestamp(os.fstat(probe.fileno()).st_mtime, UTC)
    apart = abs(patient.now() - written)
    if apart > _TOLERANCE:
        yield warning(
            f"The file system's clock is {apart} away from the system's.", "Look which one is right, and run NTP."
        )
    else:
        yield ok("The file system's clock agrees with the system's.")


def tls_certificate(patient: Patient) -> Iterator[Finding]:
    """Can TLS be spoken with the files that are there, and for how long?"""
    if patient.tls is None:
        yield ok("Plain HTTP is spoken, and TLS left to what is in front.")
        return
    patient.tls.context()
    end = patient.tls.leaf().not_valid_after_utc
    which, advice = (
        f"The TLS certificate {patient.tls.certificate}",
        "Put a new one in its place, and run midca reload.",
    )
    if end <= patient.now():
        yield problem(f"{which} ended on {end:%Y-%m-%d}.", advice)
    elif end - patient.now() < _TLS_ENDS_SOON:
        yield warning(f"{which} ends in {(end - patient.now()).days} days.", advice)
    else:
        yield ok(f"{which} ends on {end:%Y-%m-%d}.")


def _mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.stat().st_mode):04o}"
