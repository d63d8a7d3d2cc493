"""Measures the audit log: what an entry costs, and how long a verification of many takes.

Each certificate of the log is on record with all its bytes: those of one real certificate under another serial. Its
signature does not fit any more, which a verification of the log does not look at.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import statistics
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.bootstrap import open_services
from app.operations.actor import SYSTEM
from app.operations.audit_verification import AuditVerification
from app.settings import Settings
from app.store.audit_log import Action, chained
from app.store.sqlite_library import sqlite3
from app.store.times import to_text
from bench.devices import Device
from bench.installation import ISSUER, Installation, environment
from bench.machine import peak_megabytes
from bench.plan import Plan

_APPENDS: Final = 2000
_ENTRIES_EACH: Final = 3


@dataclass(frozen=True)
class AuditResult:
    """Seconds, megabytes of 1 000 000 bytes; ``append_p50_ms`` is one entry in an open transaction, without the commit.

    ``checkpoint_seconds`` is the first checkpoint over all entries, as of a database that is older than the tree.
    """

    entries: int
    certificates: int
    append_p50_ms: float
    checkpoint_seconds: float
    verify_seconds: float
    base_megabytes: float
    peak_megabytes: float
    findings: int


def measure_audit(directory: Path, plan: Plan, devices: Sequence[Device]) -> AuditResult:
    """Fill a log with so many entries, append to it, and verify it in a process of its own."""
    installation = Installation.create(directory, "P-256")
    device = devices[0]
    installation.register([device])
    issued = installation.services.issuance.issue(device.name, device.password, device.request, SYSTEM)
    _fill(installation, issued.certificate, plan.audit_entries // _ENTRIES_EACH)
    append = _append(installation)
    installation.services.database.close()
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_verify, directory, append).result()


def _verify(directory: Path, append: float) -> AuditResult:
    services = open_services(Settings.from_environment(environment(directory))).services
    checkpoint, _ = _timed(services.checkpoints.write)
    base = peak_megabytes()
    seconds, done = _timed(AuditVerification(services.checkpoints).run)
    row = services.database.row("SELECT count(*) AS certificates FROM certificates")
    found = done.findings.counts.total()
    return AuditResult(
        done.entries, row["certificates"] if row else 0, append, checkpoint, seconds, base, peak_megabytes(), found
    )


def _append(installation: Installation) -> float:
    """Return the median milliseconds of an entry."""
    services, times = installation.services, []
    for _ in range(_APPENDS):
        with services.database.transaction():
            entry = SYSTEM.entry(Action.ENTITY_ADDED, "bench")
            times.append(_timed(lambda entry=entry: services.checkpoints.log.append(datetime.now(UTC), entry))[0])
    return statistics.median(times) * 1000


def _fill(installation: Installation, certificate: x509.Certificate, count: int) -> None:
    connection = sqlite3.connect(installation.settings.database)
    try:
        with connection:
            seq, chain = connection.execute("SELECT seq, chain_sha256 FROM audit_log ORDER BY seq DESC").fetchone()
            for row, entries in _certificates(certificate, count):
                names, values = ", ".join(row), ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO certificates ({names}) VALUES ({values})", tuple(row.values()))  # noqa: S608 -- the names of _certificates
                for entry in entries:
                    seq, at = seq + 1, row["created_at"]
                    text = entry.canonical(seq, at)
                    chain = chained(chain, text)
                    connection.execute("INSERT INTO audit_log VALUES (?, ?, ?, ?)", (seq, at, text, chain))
    finally:
        connection.close()


def _certificates(certificate: x509.Certificate, count: int) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Yield rows, and the entries of each."""
    pattern = certificate.public_bytes(Encoding.DER)
    serial = certificate.serial_number.to_bytes(20, "big").lstrip(b"\0")
    now = datetime.now(UTC)
    begun, end = to_text(now), to_text(now + timedelta(days=700))
    for number in range(count):
        other = serial[:1] + secrets.token_bytes(len(serial) - 1)
        der = pattern.replace(serial, other, 1)
        tbs_sha256 = hashlib.sha256(x509.load_der_x509_certificate(der).tbs_certificate_bytes).hexdigest()
        row = {
            "ca_name": ISSUER,
            "serial": other.hex().upper().lstrip("0"),
            "state": "issued",
            "certificate_type": 1,
            "username": f"row{number}",
            "subject_dn": f"CN=row{number}",
            "tbs_sha256": tbs_sha256,
            "certificate": base64.b64encode(der).decode(),
            "csr_sha256": tbs_sha256,
            "public_key_sha256": tbs_sha256,
            "certificate_profile": "CFREE",
            "profile_sha256": tbs_sha256,
            "not_before": begun,
            "not_after": end,
            "created_at": begun,
            "revoked_at": None,
            "revocation_reason": -1,
        }
        details = {"ca": ISSUER, "profile": "CFREE"}
        details |= {name: str(row[name]) for name in ("serial", "tbs_sha256", "csr_sha256", "profile_sha256")}
        acts = (Action.CERTIFICATE_PENDING, Action.CERTIFICATE_ISSUED)
        name = str(row["username"])
        yield row, [SYSTEM.entry(Action.ENTITY_ADDED, name), *(SYSTEM.entry(act, name, details) for act in acts)]


def _timed(act: Any) -> tuple[float, Any]:
    started = time.perf_counter()
    done = act()
    return time.perf_counter() - started, done
