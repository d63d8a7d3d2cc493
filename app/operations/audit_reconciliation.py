"""Holds what the audit log tells against what is on record, both ways."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any, Final

from app.operations.audit_findings import FindingKind, Findings
from app.pki.der import first_element
from app.pki.revocation import RevocationReason
from app.store.audit_log import Action
from app.store.audited_rows import CERTIFICATE_FIELDS, CertificateRecord, ListRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from app.store.audited_rows import AuditedRows

_GOOD: Final = int(RevocationReason.NOTREVOKED)
_NOBODY: Final[CertificateRecord] = ("", "", "", "", _GOOD)
_OF_A_TOKEN: Final = ("credential", "sha256", "role", "tenant", "expires")
_OF_AN_ADMIN: Final = {"credential": "token", "role": "admin", "tenant": None}
"""What entries do not tell that are from the time when every token was an admin's."""


class Reconciliation:
    """Takes every entry, and knows then how each row must look. It holds a few hundred bytes for each certificate."""

    def __init__(self, rows: AuditedRows, findings: Findings) -> None:
        """Begin with an empty log."""
        self._rows = rows
        self._findings = findings
        self._certificates: dict[str, CertificateRecord] = {}
        self._lists: dict[str, ListRecord] = {}
        self._issued_lists: set[ListRecord] = set()
        self._tokens: dict[str, dict[str, Any]] = {}
        self._revoked_tokens: set[str] = set()
        self._restores: set[tuple[int, str]] = set()
        self._readers: dict[str, Callable[[dict[str, Any]], None]] = {
            Action.CERTIFICATE_PENDING: self._pending,
            Action.CERTIFICATE_IMPORTED: self._imported,
            Action.CERTIFICATE_ISSUED: self._issued,
            Action.CERTIFICATE_ORPHAN: self._orphan,
            Action.CERTIFICATE_REVOKED: self._revoked,
            Action.CERTIFICATE_RELEASED: self._released,
            Action.ENTITY_REVOKED: self._entity_revoked,
            Action.CRL_PENDING: self._list_pending,
            Action.CRL_ISSUED: self._list_issued,
            Action.TOKEN_CREATED: self._token_created,
            Action.TOKEN_REVOKED: self._token_revoked,
            Action.BACKUP_RESTORED: self._restored,
        }

    def read(self, entries: Iterable[dict[str, Any]]) -> None:
        """Take the next entries."""
        find = self._readers.get
        for entry in entries:
            try:
                reader = find(entry["action"])
                if reader is not None:
                    reader(entry)
            except (KeyError, TypeError) as error:
                self._findings.add(FindingKind.EDITED, f"Entry {entry.get('seq')} lacks, or has no good, {error}.")

    def suspects(self) -> list[str]:
        """Return the serials whose row is not as the log says, or that one of the two does not know.

        The server may be at work: each is to be settled in a transaction, after the log's newest entries were read.
        """
        different, same = [], 0
        for serial, record, body in self._rows.certificates():
            if self._certificates.get(serial) == record:
                same += 1
            else:
                different.append(serial)
            if body is not None and not _is_body_of(record[2], body):
                self._findings.add(
                    FindingKind.ROW_UNLIKE_ENTRY,
                    f"The bytes of the certificate {serial} are not those that were recorded before it was signed.",
                )
        if same < len(self._certificates):
            on_record = {serial for serial, _, _ in self._rows.certificates()}
            different += self._certificates.keys() - on_record
        return different

    def settle(self, serials: Sequence[str]) -> None:
        """Tell of those that still differ; called in a transaction in which the log was read to its end."""
        on_record = self._rows.certificates_of(serials)
        for serial in serials:
            row, told = on_record.get(serial), self._certificates.get(serial)
            if row is None and told is not None:
                self._findings.add(
                    FindingKind.ENTRY_WITHOUT_ROW, f"The certificate {serial} of {told[0]} is on record no more."
                )
            elif row is not None and (told is None or not told[2]):
                self._findings.add(
                    FindingKind.ROW_WITHOUT_ENTRY, f"No entry tells of the certificate {serial} of {row[1]}."
                )
            elif row is not None and told is not None and row != told:
                self._findings.add(FindingKind.ROW_UNLIKE_ENTRY, f"The certificate {serial} {_difference(row, told)}.")

    def settle_others(self) -> None:
        """The same for revocation lists, access tokens and restores."""
        self._settle_lists()
        self._settle_tokens()
        for entry, _ in self._restores ^ set(self._rows.restores()):
            self._findings.add(
                FindingKind.ROW_UNLIKE_ENTRY, f"The log and the record differ in whether entry {entry} is a restore."
            )

    def _pending(self, entry: dict[str, Any]) -> None:
        record = (entry["ca"], entry["object"], entry["tbs_sha256"], "pending", _GOOD)
        if entry["serial"] in self._certificates:
            self._findings.add(FindingKind.EDITED, f"Entry {entry['seq']} records {entry['serial']} a second time.")
        self._certificates[entry["serial"]] = record

    def _imported(self, entry: dict[str, Any]) -> None:
        """One that was not recorded when it was signed, or of which only the bytes were missing."""
        before = self._certificates.get(entry["serial"], _NOBODY)
        self._certificates[entry["serial"]] = (
            entry["ca"],
            entry["object"],
            entry["tbs_sha256"],
            entry["state"],
            before[4],
        )

    def _issued(self, entry: dict[str, Any]) -> None:
        self._leave_pending(entry, "issued")

    def _orphan(self, entry: dict[str, Any]) -> None:
        self._leave_pending(entry, "orphan")
        if self._certificates[entry["serial"]][4] == _GOOD:
            self._change(entry["serial"], RevocationReason.UNSPECIFIED)

    def _leave_pending(self, entry: dict[str, Any], state: str) -> None:
        serial = entry["serial"]
        before = self._certificates.get(serial, _NOBODY)
        after = (entry["ca"], entry["object"], entry["tbs_sha256"], state, before[4])
        if before[:4] != (*after[:3], "pending"):
            self._findings.add(
                FindingKind.ENTRY_WITHOUT_ROW,
                f"Entry {entry['seq']} tells of {serial}, which no entry recorded before it was signed.",
            )
        self._certificates[serial] = after

    def _revoked(self, entry: dict[str, Any]) -> None:
        self._change(entry["serial"], RevocationReason[entry["reason"]])

    def _released(self, entry: dict[str, Any]) -> None:
        self._change(entry["serial"], RevocationReason.NOTREVOKED)

    def _entity_revoked(self, entry: dict[str, Any]) -> None:
        for serial in entry["serials"]:
            self._change(serial, RevocationReason[entry["reason"]])

    def _change(self, serial: str, reason: RevocationReason) -> None:
        self._certificates[serial] = (*self._certificates.get(serial, _NOBODY)[:4], int(reason))

    def _list_pending(self, entry: dict[str, Any]) -> None:
        self._lists[entry["tbs_sha256"]] = _list_record(entry)

    def _list_issued(self, entry: dict[str, Any]) -> None:
        self._issued_lists.add(_list_record(entry))

    def _token_created(self, entry: dict[str, Any]) -> None:
        told = _OF_AN_ADMIN | entry
        self._tokens[entry["object"]] = {key: told[key] for key in _OF_A_TOKEN if key in told}

    def _token_revoked(self, entry: dict[str, Any]) -> None:
        self._revoked_tokens.add(entry["object"])

    def _restored(self, entry: dict[str, Any]) -> None:
        self._restores.add((entry["seq"], entry["verifier"]))

    def _settle_lists(self) -> None:
        pending, issued = dict(self._lists), set(self._issued_lists)
        for tbs_sha256, record, is_issued in self._rows.lists():
            which = f"CRL {record.number} ({record.scope}, {record.kind}) of {record.ca_name}"
            if pending.pop(tbs_sha256, None) != record:
                self._findings.add(FindingKind.ROW_WITHOUT_ENTRY, f"No entry tells of the {which}.")
            elif is_issued and record not in issued:
                self._findings.add(FindingKind.ROW_UNLIKE_ENTRY, f"The {which} is issued, and no entry tells so.")
            if is_issued:
                issued.discard(record)
        for record in [*pending.values(), *issued]:
            self._findings.add(
                FindingKind.ENTRY_WITHOUT_ROW,
                f"The CRL {record.number} ({record.scope}, {record.kind}) of {record.ca_name} is not on record as "
                "the log tells.",
            )

    def _settle_tokens(self) -> None:
        told = dict(self._tokens)
        for name, revoked, particulars in self._rows.tokens():
            expected = told.pop(name, None)
            if expected is None:
                self._findings.add(FindingKind.ROW_WITHOUT_ENTRY, f"No entry tells of the access token {name}.")
                continue
            if revoked != (name in self._revoked_tokens):
                was = "was never" if revoked else "was"
                self._findings.add(FindingKind.ROW_UNLIKE_ENTRY, f"The access token {name} {was} revoked.")
            if different := [key for key, value in expected.items() if particulars[key] != value]:
                self._findings.add(
                    FindingKind.ROW_UNLIKE_ENTRY,
                    f"The access token {name} was made with another {', '.join(different)}.",
                )
        for name in told:
            self._findings.add(FindingKind.ENTRY_WITHOUT_ROW, f"The access token {name} is on record no more.")


def _list_record(entry: dict[str, Any]) -> ListRecord:
    # Entries of the time when a CA had one list say nothing of its scope.
    return ListRecord(entry["ca"], entry.get("scope", "all"), entry.get("kind", "complete"), entry["number"])


def _is_body_of(tbs_sha256: str, body: str) -> bool:
    try:
        signed = first_element(base64.b64decode(body))
    except ValueError:
        return False
    return hashlib.sha256(signed).hexdigest() == tbs_sha256


def _difference(row: CertificateRecord, told: CertificateRecord) -> str:
    """Say in which columns a row differs."""
    pairs = [
        f"has the {name} {ours!r} on record and {theirs!r} in the log"
        for name, ours, theirs in zip(CERTIFICATE_FIELDS, row, told, strict=True)
        if ours != theirs
    ]
    return " and ".join(pairs)
