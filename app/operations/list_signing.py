"""Signs revocation lists: like certificates, none that is not recorded first."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from app.pki.distribution_points import ALL
from app.pki.revocation_list import Padding, RevocationListTemplate, ends_on_a_full_line, sign_revocation_list
from app.store.audit_log import Action
from app.store.revocation_lists import ListDates, ListName

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.operations.actor import Actor
    from app.pki.certificate_authority import CertificateAuthority
    from app.store.audit_log import AuditLog
    from app.store.database import Database
    from app.store.revocation_lists import RevocationListStore

_log = logging.getLogger("midca")


@dataclass(frozen=True)
class Shows:
    """Up to which revision of the CA a list shows revocations, and the hash of what else it says."""

    revision: int
    about: str


@dataclass(frozen=True)
class ListSigning:
    """Two durable transactions around every signature: the hash of what will be signed, and the signed list."""

    database: Database
    store: RevocationListStore
    audit: AuditLog
    now: Callable[[], datetime]

    def sign(
        self,
        authority: CertificateAuthority,
        name: ListName,
        template: RevocationListTemplate,
        shows: Shows,
        actor: Actor,
    ) -> None:
        """Sign a list that shows the CA's revocations up to a revision, and make it the newest of its name.

        Old clients read the list of the whole CA as base64 and trip over a full last line, so that one is padded: what
        was signed on the way to the right length stays recorded and is never handed out.
        """
        paddings = Padding if name.scope == ALL else (Padding.NONE,)
        for padding in paddings:
            der, tbs_sha256 = self._sign(authority, name, replace(template, padding=padding), shows, actor)
            if name.scope != ALL or not ends_on_a_full_line(der):
                break
        else:
            # A list that two old clients cannot read is better than none, which every client reads as "refuse all".
            _log.warning("CRL %s of CA %s ends on a full line of base64", template.number, authority.name)
        with self.database.transaction():
            self.store.mark_issued(name, tbs_sha256, der)
            details = {"number": template.number, "tbs_sha256": tbs_sha256, "entries": len(template.entries)}
            self._audit(Action.CRL_ISSUED, name, actor, **details)

    def mark_unchanged(self, names: list[ListName], revision: int) -> None:
        """Record for lists that are not issued anew that they show everything up to ``revision``."""
        if names:
            with self.database.transaction():
                for name in names:
                    self.store.mark_unchanged(name, revision)

    def _sign(
        self,
        authority: CertificateAuthority,
        name: ListName,
        template: RevocationListTemplate,
        shows: Shows,
        actor: Actor,
    ) -> tuple[bytes, str]:
        """Record a list and sign it; return its DER, and the hash of its TBSCertList."""
        dates = ListDates(template.number, shows.revision, template.this_update, template.next_update, shows.about)
        recorded = ""

        def record(tbs: bytes) -> None:
            nonlocal recorded
            recorded = hashlib.sha256(tbs).hexdigest()
            with self.database.transaction():
                self.store.add_pending(name, dates, recorded)
                self._audit(Action.CRL_PENDING, name, actor, number=template.number, tbs_sha256=recorded)

        return sign_revocation_list(authority, template, record), recorded

    def _audit(self, action: Action, name: ListName, actor: Actor, **details: object) -> None:
        which: dict[str, object] = {"ca": name.ca_name, "scope": str(name.scope), "kind": str(name.kind)}
        self.audit.append(self.now(), actor.entry(action, name.ca_name, which | details))
