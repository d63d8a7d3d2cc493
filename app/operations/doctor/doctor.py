"""All checks, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError, Refusal
from app.operations.doctor import files, lifetimes, machine, records
from app.operations.doctor.finding import Finding, ok, problem

if TYPE_CHECKING:
    from app.operations.doctor.patient import Patient


def start(patient: Patient) -> Iterator[Finding]:
    """Would a server start: do settings, profiles, hierarchy, keys, secrets and database fit together?"""
    patient.services  # noqa: B018 -- opens them
    yield ok("Settings, profiles, hierarchy, keys, secrets and database fit together; every key signs.")


Check = Callable[["Patient"], Iterable[Finding]]
CHECKS: Final[dict[str, Check]] = {
    "data directory": files.data_directory,
    "secret files": files.secret_files,
    "file system clock": files.file_system_clock,
    "settings": machine.settings,
    "tls certificate": files.tls_certificate,
    "start": start,
    "signing keys": records.signing_keys,
    "ca lifetimes": lifetimes.ca_lifetimes,
    "revocation lists": lifetimes.revocation_lists,
    "ocsp responders": lifetimes.ocsp_responders,
    "offline keys": lifetimes.offline_keys,
    "disk": machine.disk,
    "database": records.database,
    "schema": records.schema,
    "clock": records.clock,
    "pending certificates": records.pending_certificates,
    "end entities": records.end_entities,
    "default passwords": records.default_passwords,
    "peppers": records.peppers,
    "audit log": records.audit_log,
    "backup": records.backup,
    "restores": records.restores,
}
"""In the order in which they run; those behind ``start`` need the services it opens."""


@dataclass(frozen=True)
class Doctor:
    """Runs the checks; it changes nothing."""

    patient: Patient

    def run(self) -> Iterator[tuple[str, Finding]]:
        """Yield what each check finds, with its name. Where midca cannot start, those that need it are left out."""
        for name, check in CHECKS.items():
            try:
                yield from ((name, finding) for finding in check(self.patient))
            except (Refusal, ConfigurationError) as error:
                yield name, problem(str(error), "Mend what the sentence names; docs/operations.md has the steps.")
                if check is start:
                    return
            except OSError as error:
                yield name, problem(f"{error.filename}: {error.strerror}.", "Look at the owner and the mode.")
