"""What ``midca init --root-out`` does beside making CAs: the server's machine, once, with the medium at hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.operations.actor import SYSTEM
from app.operations.ceremony_record import CeremonialFile
from app.pki.distribution_points import ALL, POINT
from app.store.audit_log import Action
from app.store.revocation_lists import ListName

if TYPE_CHECKING:
    from app.operations.authorities import Authorities
    from app.operations.ceremony import Ceremony
    from app.operations.list_import import ListImport
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.database import Database


@dataclass(frozen=True)
class FirstCeremony:
    """Makes the lists of offline CAs that are due, and the record of it all."""

    ceremony: Ceremony
    authorities: Authorities
    list_import: ListImport
    database: Database
    audit: AuditLog
    now: Callable[[], datetime]

    def hold(self, created: Sequence[str]) -> None:
        """Do it; ``created`` are the CAs that were just made."""
        for root in [authority for authority in self.authorities if authority.offline]:
            record = self.ceremony.begin_record("init", root)
            for name in (name for name in created if name != root.name):
                record.note_certificate(name, self.authorities.named(name).certificate)
            details = {"ceremony_sha256": record.sha256}
            with self.database.transaction():
                self.audit.append(self.now(), SYSTEM.entry(Action.CEREMONY_RECORDED, root.name, details))
            if self._is_due(root):
                signed = self.ceremony.revocation_lists(root.name)
                self.list_import.take(root, CeremonialFile.from_text(signed), SYSTEM)

    def _is_due(self, root: CertificateAuthority) -> bool:
        for scope in (ALL, POINT) if root.points else (ALL,):
            newest = self.list_import.store.dates(ListName(root.name, scope))
            if newest is None or self.now() >= newest.this_update + (newest.next_update - newest.this_update) / 2:
                return True
        return False
