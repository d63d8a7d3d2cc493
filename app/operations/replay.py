"""Does again what an export of the audit log tells of behind the end of a restored log.

The entries themselves go on in the log, so that it stays the one its checkpoints cover. What an entry does not hold is
gone: the bytes of certificates and revocation lists, and passwords.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import InvalidInput
from app.files.authority_files import AuthorityFiles
from app.files.checkpoint_files import CheckpointFile, exported_lines
from app.files.private_keys import PrivateKeys
from app.operations.principal import Role
from app.pki.distinguished_name import usual_subject
from app.pki.distribution_points import ListKind, ListScope
from app.pki.end_entity import EndEntityStatus
from app.pki.merkle_tree import MerkleTree, leaf_hash
from app.pki.revocation import RevocationReason
from app.store.access_tokens import AccessToken, AccessTokenStore, Credential
from app.store.audit_log import Action, AuditLog
from app.store.certificates import CertificateState, CertificateStore, CertificateType, StoredCertificate
from app.store.end_entities import EndEntityStore
from app.store.offline_authorities import OfflineAuthorityStore
from app.store.revocation_lists import ListDates, ListName, RevocationListStore
from app.store.times import from_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.pki.checkpoint import Checkpoint, NoteVerifier
    from app.store.database import Database

Entry = dict[str, Any]


class Replay:
    """Writes inside the open transaction. ``authorities`` is the directory of the CAs' certificates."""

    def __init__(self, database: Database, authorities: Path) -> None:
        """Take the database whose log goes on."""
        self.log = AuditLog(database)
        self.certificates = CertificateStore(database)
        self.end_entities = EndEntityStore(database)
        self.lists = RevocationListStore(database)
        self.tokens = AccessTokenStore(database)
        self.offline = OfflineAuthorityStore(database)
        self.authorities = AuthorityFiles(authorities, PrivateKeys(tuple))  # for certificates alone
        self._acts: dict[str, Callable[[Entry, datetime], None]] = {
            Action.CERTIFICATE_PENDING: self._pending,
            Action.CERTIFICATE_IMPORTED: self._imported,
            Action.CERTIFICATE_ISSUED: self._issued,
            Action.CERTIFICATE_ORPHAN: self._orphan,
            Action.CERTIFICATE_REVOKED: self._changed,
            Action.CERTIFICATE_RELEASED: self._changed,
            Action.ENTITY_EDITED: self._rearmed,
            Action.ENTITY_REARMED: self._rearmed,
            Action.ENTITY_REVOKED: self._entity_revoked,
            Action.ENTITY_DELETED: lambda entry, _: self.end_entities.delete(entry["object"]),
            Action.CRL_PENDING: self._list_pending,
            Action.CRL_ISSUED: lambda entry, _: self.lists.mark_lost(entry["tbs_sha256"]),
            Action.CEREMONY_RECORDED: self._taken_offline,
            Action.PEPPER_DROPPED: lambda entry, _: self.end_entities.disarm_by_pepper(entry["object"].split()),
            Action.TOKEN_CREATED: self._token_created,
            Action.TOKEN_REVOKED: lambda entry, at: self.tokens.revoke(entry["object"], at),
        }

    def run(self, export: Path, verifier: NoteVerifier) -> int:
        """Take from the export what the log does not have, up to its checkpoint; return how many entries those were.

        Raises :class:`InvalidInput` unless the log and the export together are what the checkpoint covers.
        """
        head, known = CheckpointFile(export).newest(), self.log.size()
        if head is None or not verifier.has_signed(head):
            raise InvalidInput(f"At the end of {export} is no checkpoint of the backup's audit log.")
        if head.size < known:
            raise InvalidInput(f"{export} is older than the backup: it covers {head.size} entries of {known}.")
        tree = MerkleTree()
        for leaf in self.log.leaves(range(known)):
            tree.append(leaf)
        self.log.continue_with(self._acted(export, known, head, tree))
        if (tree.size, tree.root()) != (head.size, head.root):
            raise InvalidInput(f"The entries of the backup and of {export} are not those that its checkpoint covers.")
        return tree.size - known

    def _acted(self, export: Path, known: int, head: Checkpoint, tree: MerkleTree) -> Iterator[tuple[str, str]]:
        """Yield time and text of each further entry, once what it tells is done."""
        for line in exported_lines(export):
            try:
                entry = json.loads(line)
                if entry["seq"] <= known or tree.size == head.size:
                    continue
                if entry["seq"] != tree.size + 1:
                    raise InvalidInput(f"{export} has no entry {tree.size + 1}, which comes next.")
                act = self._acts.get(entry["action"])
                if act is not None:
                    act(entry, from_text(entry["at"]))
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidInput(f"{export} has a line that is no audit entry: {error!r}.") from error
            tree.append(leaf_hash(line.encode()))
            yield entry["at"], line

    def _pending(self, entry: Entry, at: datetime) -> None:
        certificate = self._certificate(entry, at)
        self.certificates.add(certificate)
        if certificate.certificate_type is CertificateType.END_ENTITY:
            self.end_entities.spend(certificate.username, certificate.serial, at)

    def _imported(self, entry: Entry, at: datetime) -> None:
        if self.certificates.find(entry["ca"], entry["serial"]) is None:
            self.certificates.add(self._certificate(entry, at))

    def _issued(self, entry: Entry, at: datetime) -> None:
        if self.certificates.mark_issued(entry["ca"], entry["serial"], None):
            self.end_entities.finish(entry["object"], entry["serial"], at)

    def _orphan(self, entry: Entry, at: datetime) -> None:
        self.certificates.mark_orphan(entry["ca"], entry["serial"], at)

    def _changed(self, entry: Entry, at: datetime) -> None:
        released = entry["action"] == Action.CERTIFICATE_RELEASED
        reason = RevocationReason.NOTREVOKED if released else RevocationReason[entry["reason"]]
        stored = self.certificates.find(entry["ca"], entry["serial"])
        if stored is not None:
            self._change(stored, reason, at)

    def _entity_revoked(self, entry: Entry, at: datetime) -> None:
        for stored in self.certificates.of_user(entry["object"]):
            if stored.serial in entry["serials"]:
                self._change(stored, RevocationReason[entry["reason"]], at)
        self.end_entities.set_status(entry["object"], EndEntityStatus.REVOKED, at)

    def _change(self, stored: StoredCertificate, reason: RevocationReason, at: datetime) -> None:
        self.certificates.change_reason(stored.ca_name, stored.serial, stored.revocation_reason, reason, at)

    def _rearmed(self, entry: Entry, at: datetime) -> None:
        """The new password is nobody's to know: it has to be set again."""
        self.end_entities.disarm(entry["object"])
        self.end_entities.set_status(entry["object"], EndEntityStatus.NEW, at)

    def _list_pending(self, entry: Entry, at: datetime) -> None:
        name = ListName(entry["ca"], ListScope.from_text(entry["scope"]), ListKind(entry["kind"]))
        # Its dates are gone; one that ended at once is no list that a delta builds on.
        self.lists.add_pending(name, ListDates(entry["number"], 0, at, at), entry["tbs_sha256"])

    def _taken_offline(self, entry: Entry, at: datetime) -> None:
        if entry["object"] not in self.offline.names():
            self.offline.add(entry["object"], at)

    def _token_created(self, entry: Entry, at: datetime) -> None:
        expires = entry.get("expires")
        self.tokens.add(
            AccessToken(
                name=entry["object"],
                credential=Credential(entry.get("credential", Credential.TOKEN)),
                # Without the hash nobody is recognised by it; its name is never used again all the same.
                sha256=entry.get("sha256", f"lost with entry {entry['seq']}"),
                role=entry.get("role", Role.ADMIN),
                tenant=entry.get("tenant"),
                created_at=at,
                expires_at=from_text(expires) if expires else None,
            )
        )

    def _certificate(self, entry: Entry, at: datetime) -> StoredCertificate:
        """Return the row of a certificate; what entries of older versions do not say is taken as wide as may be."""
        state = CertificateState(entry.get("state", CertificateState.PENDING))
        return StoredCertificate(
            ca_name=entry["ca"],
            serial=entry["serial"],
            certificate_type=CertificateType(entry.get("type", _old_type(entry))),
            username=entry["object"],
            subject_dn=entry.get("subject", usual_subject(entry["object"])),
            tbs_sha256=entry["tbs_sha256"],
            public_key_sha256=entry.get("public_key_sha256", ""),
            certificate_profile=entry.get("profile", ""),
            profile_sha256=entry.get("profile_sha256", ""),
            not_before=at,
            not_after=from_text(entry["not_after"]) if "not_after" in entry else self._end(entry["ca"]),
            created_at=at,
            state=state,
            csr_sha256=entry.get("csr_sha256"),
            crl_partition=entry.get("crl_partition"),
        )

    def _end(self, ca_name: str) -> datetime:
        certificate = self.authorities.certificate(ca_name)
        return certificate.not_valid_after_utc if certificate else datetime.max.replace(tzinfo=UTC)


def _old_type(entry: Entry) -> CertificateType:
    return CertificateType.OCSP_RESPONDER if entry["object"].endswith("/OCSP") else CertificateType.END_ENTITY
