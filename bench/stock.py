"""Certificates, end entities and audit entries by the million, as rows written behind the server's back.

The certificates have no bytes: what finds, counts or lists them reads serial, names, dates and state. The chain of the
audit log holds.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.operations.actor import SYSTEM
from app.operations.registration import DEFAULT_PROFILE
from app.pki.end_entity import EndEntityStatus, TokenType
from app.pki.revocation import RevocationReason
from app.settings import Settings
from app.store.audit_log import Action, chained
from app.store.sqlite_library import sqlite3
from app.store.times import to_text
from bench.installation import ISSUER

_LIFE: Final = timedelta(days=700)


def add_certificates(settings: Settings, count: int, *, revoked: bool) -> list[str]:
    """Put so many certificates of the issuer on record; return their serials, the holder of each is named for it."""
    serials = sorted(f"{secrets.randbits(158) | 1 << 157:X}" for _ in range(count))
    with _without_indexes(settings, "certificates") as connection:
        _insert(connection, "certificates", _certificates(serials, revoked=revoked))
        if revoked:
            connection.execute("INSERT OR REPLACE INTO revocation_revisions VALUES (?, ?)", (ISSUER, count))
    return serials


def add_holders(settings: Settings, serials: Sequence[str]) -> None:
    """Put the end entity of each certificate on record, and an entry of it in the audit log."""
    now = to_text(datetime.now(UTC))
    with _without_indexes(settings, "end_entities") as connection:
        _insert(connection, "end_entities", (_entity(holder(serial), now) for serial in serials))
        seq, chain = connection.execute("SELECT seq, chain_sha256 FROM audit_log ORDER BY seq DESC").fetchone()
        for number, serial in enumerate(serials, start=seq + 1):
            text = SYSTEM.entry(Action.ENTITY_ADDED, holder(serial)).canonical(number, now)
            chain = chained(chain, text)
            connection.execute("INSERT INTO audit_log VALUES (?, ?, ?, ?)", (number, now, text, chain))


def holder(serial: str) -> str:
    """Return the name of the end entity of a certificate that is on record as a row alone."""
    return f"row{serial}"


@contextmanager
def _without_indexes(settings: Settings, table: str) -> Iterator[sqlite3.Connection]:
    """Make the indexes of a table anew afterwards: many times faster than to keep them through a million rows."""
    with closing(sqlite3.connect(settings.database)) as connection, connection:
        query = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql IS NOT NULL"
        indexes = connection.execute(query, (table,)).fetchall()
        connection.execute("BEGIN IMMEDIATE")
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        yield connection
        for _, statement in indexes:
            connection.execute(statement)


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        names, values = ", ".join(row), ", ".join("?" * len(row))
        connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", tuple(row.values()))  # noqa: S608 -- names from below


def _entity(name: str, now: str) -> dict[str, Any]:
    return {
        "username": name,
        "status": int(EndEntityStatus.GENERATED),
        "subject_dn": f"CN={name}",
        "ca_name": ISSUER,
        "certificate_profile": "CFREE",
        "end_entity_profile": DEFAULT_PROFILE,
        "token_type": int(TokenType.USERGENERATED),
        "send_notification": 0,
        "created_at": now,
        "modified_at": now,
        "armed_at": now,
    }


def _certificates(serials: Sequence[str], *, revoked: bool) -> Iterator[dict[str, Any]]:
    now = datetime.now(UTC)
    begun, end = to_text(now), to_text(now + _LIFE)
    for number, serial in enumerate(serials, start=1):
        yield {
            "ca_name": ISSUER,
            "serial": serial,
            "state": "issued",
            "certificate_type": 1,
            "username": holder(serial),
            "subject_dn": f"CN={holder(serial)}",
            "tbs_sha256": serial,
            "public_key_sha256": serial,
            "certificate_profile": "CFREE",
            "profile_sha256": "",
            "not_before": begun,
            "not_after": end,
            "created_at": to_text(now - timedelta(milliseconds=number)),
            "revoked_at": begun if revoked else None,
            "revocation_reason": int(RevocationReason.KEYCOMPROMISE if revoked else RevocationReason.NOTREVOKED),
            "revocation_revision": number if revoked else 0,
        }
