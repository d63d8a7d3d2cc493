"""Checks of what is on record: the database, the audit log, what waits, what was backed up."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from app.errors import Refusal
from app.files.presence import is_directory
from app.operations.doctor.finding import Finding, ok, problem, warning
from app.operations.key_list import GOOD, OFFLINE, SEALED_BEFORE
from app.pki.end_entity import ENROLLABLE
from app.store.integrity import differences, problems, version
from app.store.schema import applied

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.operations.doctor.patient import Patient
    from app.pki.end_entity import EndEntity

_PENDING_TOO_LONG: Final = timedelta(minutes=5)
_BACKUP_TOO_OLD: Final = timedelta(days=7)
_PAGE: Final = 1000
_RESTORE: Final = "Restore a backup (docs/operations.md); keep this data directory as it is until then."


def database(patient: Patient) -> Iterator[Finding]:
    """Can it be written, and is the file whole?"""
    said = patient.readiness["database"]
    if said != "ok":
        yield problem(said, "Look at the disk, the owner and the mode of the database.")
        return
    found = problems(patient.services.database)
    for sentence in found:
        yield problem(f"SQLite finds: {sentence}.", _RESTORE)
    if not found:
        yield ok("The database can be written, and nothing is wrong in its file.")


def schema(patient: Patient) -> Iterator[Finding]:
    """Is the schema the one that the migrations make?"""
    opened = patient.services.database
    found = differences(opened, patient.places.migrations)
    for name in found:
        yield problem(
            f"{name} in the database is not as the migrations make it.",
            "Somebody changed it by hand, or it is of a midca that was never released: ask its maintainers.",
        )
    if not found:
        yield ok(f"midca {patient.version}, schema {applied(opened)[-1]}, {version(opened)}.")


def pending_certificates(patient: Patient) -> Iterator[Finding]:
    """Is anything recorded to be signed that nobody signs?"""
    now = patient.now()
    left = [row for row in patient.services.certificates.pending() if now - row.created_at > _PENDING_TOO_LONG]
    if left:
        yield warning(
            f"{len(left)} certificates are recorded to be signed since {left[0].created_at:%Y-%m-%d %H:%M}.",
            "A start of the server finishes them, or gives them up; its log says which.",
        )
    else:
        yield ok("No certificate waits to be signed.")


def default_passwords(patient: Patient) -> Iterator[Finding]:
    """May anybody enrol with the password that everybody knows?"""
    waiting = [entity for entity in _enrollable(patient) if _has_default_password(patient, entity)]
    if waiting:
        since = min(entity.armed_at for entity in waiting)
        yield warning(
            f"{len(waiting)} end entities wait with the public default password, some since {since:%Y-%m-%d %H:%M}.",
            "Who reaches /sign first gets their certificates: re-arm them with passwords of their own, or delete them.",
        )
    else:
        yield ok("No end entity waits with the public default password.")


def peppers(patient: Patient) -> Iterator[Finding]:
    """Is there a pepper for every password that waits? Without, the right one is refused, and counted as wrong."""
    lost = [use for use in patient.services.key_rotation.pepper_uses() if use.pepper is None and use.waiting]
    for use in lost:
        yield warning(
            f"{use.waiting} passwords were hashed with the pepper {use.kid}, which is not here: all are refused.",
            "Copy secrets/pepper from the server that has it (docs/postgresql.md); if it was dropped, set them anew "
            "(midca entity rearm).",
        )
    if not lost:
        yield ok("Every password that waits was hashed with a pepper that is here.")


def end_entities(patient: Patient) -> Iterator[Finding]:
    """Does every end entity that may enrol have its profiles and its CA?"""
    services = patient.services
    missing = set()
    for entity in _enrollable(patient):
        try:
            services.profiles.named(entity.certificate_profile).check_authority(entity.ca_name)
            services.profiles.end_entity_profile(entity.end_entity_profile)
            services.authorities.for_end_entities(entity.ca_name)
        except Refusal as refusal:
            missing.add(str(refusal))
    for sentence in sorted(missing):
        yield warning(
            f"Some end entities cannot enrol: {sentence}", "Put the profile or CA back, or register them anew."
        )
    if not missing:
        yield ok(f"Every end entity that may enrol has its profiles and its CA; {len(services.profiles)} profiles.")


def audit_log(patient: Patient) -> Iterator[Finding]:
    """Is the log the one its newest checkpoint covers, and is that one young?"""
    checkpoints = patient.services.checkpoints
    checkpoints.check_saved()
    if not is_directory(folder := patient.places.checkpoints.parent):
        yield warning(
            f"There is no directory {folder}: no checkpoint of the audit log can be written.",
            "Mount the disk, or set MIDCA_AUDIT_CHECKPOINTS.",
        )
    newest, size, now = checkpoints.store.newest(), checkpoints.log.size(), patient.now()
    covered = newest.size if newest else 0
    first = checkpoints.log.time_of(covered + 1)
    if first is not None and now - first > 2 * checkpoints.interval:
        yield warning(
            f"{size - covered} entries wait for a checkpoint, the first since {first:%Y-%m-%d %H:%M}.",
            "Is the server running? Else its log says why none is written.",
        )
    else:
        yield ok(f"{size} entries; the newest checkpoint covers {covered}.")


def clock(patient: Patient) -> Iterator[Finding]:
    """Is the clock behind what was done by it?"""
    yield _of_readiness(patient, "clock", "Set the clock, and run NTP: dates of certificates and lists come from it.")


def signing_keys(patient: Patient) -> Iterator[Finding]:
    """Does every key that is to be here fit its certificate and sign? One that is offline is not missed."""
    yield _of_readiness(patient, "keys", "Without it no device enrols; docs/operations.md has the steps.")
    states = list(patient.services.key_list.states())
    for one in states:
        if one.state == SEALED_BEFORE:
            yield warning(f"The key of {one.key} is sealed with an old passphrase.", "midca keys rotate-passphrase")
        elif one.state not in {GOOD, OFFLINE}:
            yield warning(f"{one.key}: {one.state}", "docs/keys.md tells which key is made anew, and by whom.")
    counts = Counter(one.state for one in states)
    yield ok(f"{counts[GOOD]} keys fit their certificates and sign; {counts[OFFLINE]} are offline.")


def backup(patient: Patient) -> Iterator[Finding]:
    """How old is the last backup?"""
    made, now = patient.services.checkpoints.restores.last_backup(), patient.now()
    if made is None or now - made > _BACKUP_TOO_OLD:
        since = "No backup was ever made" if made is None else f"The last backup was made on {made:%Y-%m-%d %H:%M}"
        yield warning(f"{since}.", "Run midca backup every day, and keep the file on another machine.")
    else:
        yield ok(f"The last backup was made on {made:%Y-%m-%d %H:%M}.")


def restores(patient: Patient) -> Iterator[Finding]:
    """What is still to be done after a restore?"""
    lost = patient.services.certificates.count_without_bytes(patient.now())
    done = patient.services.checkpoints.restores.all()
    if lost:
        yield warning(
            f"Of {lost} certificates in force only the record is here, not the certificate.",
            "Have devices or brokers hand them in, and run midca cert import.",
        )
    else:
        last = f"The last restore was on {done[-1].at:%Y-%m-%d %H:%M}" if done else "The database was never restored"
        yield ok(f"{last}, and no certificate is missing.")


def _of_readiness(patient: Patient, check: str, advice: str) -> Finding:
    said = patient.readiness[check]
    return ok(f"The check of /ready finds nothing wrong with: {check}.") if said == "ok" else problem(said, advice)


def _enrollable(patient: Patient) -> Iterator[EndEntity]:
    store = patient.services.end_entities.store
    for status in sorted(ENROLLABLE):
        after = ""
        while page := store.page(after=after, limit=_PAGE, status=status):
            yield from page
            after = page[-1].username


def _has_default_password(patient: Patient, entity: EndEntity) -> bool:
    passwords = patient.services.end_entities.enrolment.passwords
    return entity.password_verifier is not None and passwords.is_public(entity.username, entity.password_verifier)
