"""What was done, by whom: appended in the transaction of the act itself, each entry chained to the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from app.pki.merkle_tree import leaf_hash
from app.store.times import from_text, to_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from app.store.database import Database, Row

LogRow = tuple[int, str, str, str]
"""A row of the log: seq, time, canonical entry, chain value."""

_PAGE: Final = 5000
_COLUMNS: Final = "seq, at, entry, chain_sha256"
_CANONICAL: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


class Action(StrEnum):
    """Every act that is recorded."""

    CERTIFICATE_PENDING = "certificate.pending"
    CERTIFICATE_ISSUED = "certificate.issued"
    CERTIFICATE_ORPHAN = "certificate.orphan"
    CERTIFICATE_IMPORTED = "certificate.imported"
    CERTIFICATE_REFUSED = "certificate.refused"
    CERTIFICATE_REVOKED = "certificate.revoked"
    CERTIFICATE_RELEASED = "certificate.released"
    CA_REQUESTED = "ca.requested"
    CEREMONY_RECORDED = "ceremony.recorded"
    CRL_PENDING = "crl.pending"
    CRL_ISSUED = "crl.issued"
    ENTITY_ADDED = "entity.added"
    ENTITY_EDITED = "entity.edited"
    ENTITY_REARMED = "entity.rearmed"
    ENTITY_REVOKED = "entity.revoked"
    ENTITY_DELETED = "entity.deleted"
    PASSPHRASE_ROTATED = "passphrase.rotated"  # noqa: S105 -- the same
    PEPPER_ROTATED = "pepper.rotated"
    PEPPER_DROPPED = "pepper.dropped"
    TOKEN_CREATED = "token.created"  # noqa: S105 -- an act, not a token
    TOKEN_REVOKED = "token.revoked"  # noqa: S105 -- an act, not a token
    BACKUP_MADE = "backup.made"
    BACKUP_RESTORED = "backup.restored"


@dataclass(frozen=True)
class AuditEntry:
    """Who did what to whom, in which way and from where, and what came of it; ``details`` differ by action.

    ``name`` is the object's: an end entity, a CA or a token. ``result`` is ``ok`` or the code of the refusal.
    ``tenant`` is that of an actor who is of one.
    """

    actor: str
    how: str
    address: str
    action: Action
    name: str
    result: str = "ok"
    details: Mapping[str, object] = field(default_factory=dict)
    tenant: str | None = None

    def canonical(self, seq: int, at: str) -> str:
        """Return the entry as it is hashed: JSON with sorted keys, without blanks, in ASCII."""
        who = {"actor": self.actor, "how": self.how, "address": self.address}
        if self.tenant is not None:
            who["actor_tenant"] = self.tenant
        what = {"action": self.action, "object": self.name, "result": self.result}
        return _CANONICAL.encode({**self.details, **who, **what, "seq": seq, "at": at})


class AuditLog:
    """Append-only. An entry's number is ``seq``, from 1 without a gap; it is leaf ``seq - 1`` of the tree."""

    def __init__(self, database: Database) -> None:
        """Take the database to read and write."""
        self._database = database

    def append(self, now: datetime, entry: AuditEntry) -> int:
        """Append an entry inside the open transaction and return its number; if that fails, the act fails with it."""
        last = self._last()
        seq, at = (last["seq"] + 1 if last else 1), to_text(now)
        self._chain(seq, at, entry.canonical(seq, at), last["chain_sha256"] if last else "")
        return seq

    def continue_with(self, entries: Iterable[tuple[str, str]]) -> None:
        """Append, inside the open transaction, times and canonical texts of entries that were in this log before."""
        last = self._last()
        known, chain = (last["seq"], last["chain_sha256"]) if last else (0, "")
        for seq, (at, text) in enumerate(entries, start=known + 1):
            chain = self._chain(seq, at, text, chain)

    def size(self) -> int:
        """Return how many entries there are: the number of the last."""
        last = self._last()
        return last["seq"] if last else 0

    def last_time(self) -> datetime | None:
        """Return when the last entry was written, or None: the clock should not be behind it."""
        last = self._last()
        return from_text(last["at"]) if last else None

    def time_of(self, seq: int) -> datetime | None:
        """Return when an entry was written, None when there is no such entry."""
        row = self.find(seq)
        return from_text(row["at"]) if row else None

    def entries(self) -> list[dict[str, Any]]:
        """Return all entries in order."""
        return [json.loads(entry) for page in self.pages() for _, _, entry, _ in page]

    def find(self, seq: int) -> Row | None:
        """Return the row of one entry."""
        return self._database.row(f"SELECT {_COLUMNS} FROM audit_log WHERE seq = :seq", seq=seq)  # noqa: S608 -- a constant # nosec B608

    def pages(self, after: int = 0) -> Iterator[list[LogRow]]:
        """Yield the rows behind entry ``after`` in order, so many at a time that no writer waits long."""
        while page := self._database.tuples(
            f"SELECT {_COLUMNS} FROM audit_log WHERE seq > :after ORDER BY seq LIMIT :page",  # noqa: S608 -- a constant # nosec B608
            after=after,
            page=_PAGE,
        ):
            yield page
            after = page[-1][0]

    def leaves(self, stretch: range) -> Iterator[bytes]:
        """Yield the leaf hashes of a stretch of the tree."""
        for page in self.pages(after=stretch.start):
            for seq, _, entry, _ in page:
                if seq > stretch.stop:
                    return
                yield leaf_hash(entry.encode())

    def search(
        self, limit: int, *, since: datetime | None = None, action: str | None = None, name: str | None = None
    ) -> list[dict[str, Any]]:
        """Return the newest entries first: of an action or group of actions (``token``), of the object ``name``."""
        found: list[dict[str, Any]] = []
        before = self.size() + 1
        while len(found) < limit and (page := self._before(before, since)):
            entries = [json.loads(row["entry"]) for row in page]
            found += [entry for entry in entries if _is_wanted(entry, action, name)]
            before = page[-1]["seq"]
        return found[:limit]

    def _chain(self, seq: int, at: str, text: str, before: str) -> str:
        chain = chained(before, text)
        self._database.insert("audit_log", {"seq": seq, "at": at, "entry": text, "chain_sha256": chain})
        return chain

    def _before(self, seq: int, since: datetime | None) -> list[Row]:
        return self._database.rows(
            "SELECT seq, entry FROM audit_log WHERE seq < :seq AND at >= :since ORDER BY seq DESC LIMIT :page",
            seq=seq,
            since=to_text(since) if since else "",
            page=_PAGE,
        )

    def _last(self) -> Row | None:
        return self._database.row("SELECT seq, at, chain_sha256 FROM audit_log ORDER BY seq DESC LIMIT 1")


def chained(before: str, entry: str) -> str:
    """Return the chain value of an entry: SHA-256 (hex) of that of the entry before it, a newline, and the entry."""
    return hashlib.sha256(f"{before}\n{entry}".encode()).hexdigest()


def _is_wanted(entry: dict[str, Any], action: str | None, name: str | None) -> bool:
    of_action = action is None or entry["action"] == action or entry["action"].startswith(f"{action}.")
    return of_action and (name is None or entry["object"] == name)
