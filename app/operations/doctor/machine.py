"""Checks of what midca stands on: the disk, and the settings."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from app.files.presence import is_there
from app.operations.doctor.finding import Finding, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.operations.doctor.patient import Patient

_MIB: Final = 1024 * 1024
_ROOM: Final = 256 * _MIB


def disk(patient: Patient) -> Iterator[Finding]:
    """Is there room for the database to grow and to be copied?"""
    said = patient.readiness["disk"]
    free = shutil.disk_usage(patient.places.data).free
    database = patient.places.database
    wanted = _ROOM + (2 * database.stat().st_size if is_there(database) else 0)
    advice = "Make room: midca refuses every request whose record cannot be written."
    if said != "ok":
        yield problem(said, advice)
    elif free < wanted:
        yield warning(f"{free // _MIB} MiB are free; {wanted // _MIB} would do for growth and a backup.", advice)
    else:
        yield ok(f"{free // _MIB} MiB are free.")


def settings(patient: Patient) -> Iterator[Finding]:
    """Does a setting make the installation less safe than it could be?"""
    for sentence in patient.weakened:
        yield warning(sentence, "README says what it weakens; leave it out where you can.")
    if not patient.weakened:
        yield ok("No setting weakens anything.")
