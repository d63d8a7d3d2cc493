"""Signs revocation lists: like certificates, none that is not recorded first."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from app.errors import Unavailable
from app.pki.der import first_element
from app.pki.distribution_points import ALL
from app.pki.revocation_list import (
    RevocationListTemplate,
    ends_on_a_full_line,
    sign_for_old_clients,
    sign_revocation_list,
)
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
        sign = sign_for_old_clients if name.scope == ALL else sign_revocation_list
        der = sign(authority, template, self._recorder(name, template, shows, actor))
        if name.scope == ALL and ends_on_a_full_line(der):
            # A list that two old clients cannot read is better than none, which every client reads as "refuse all".
            _log.warning("CRL %s of CA %s ends on a full line of base64", template.number, authority.name)
        tbs_sha256 = hashlib.sha256(first_element(der)).hexdigest()
        with self.database.transaction():
            # A turn in a database ends with its session, and who had it may not have noticed.
            newest = self.store.dates(name)
            if newest is not None and newest.number > template.number:
                raise Unavailable(f"Another server has issued a newer CRL of CA {name.ca_name} meanwhile.")
            self.store.mark_issued(name, tbs_sha256, der)
            details = {"number": template.number, "tbs_sha256": tbs_sha256, "entries": len(template.entries)}
            self._audit(Action.CRL_ISSUED, name, actor, **details)

    def mark_unchanged(self, names: list[ListName], revision: int) -> None:
        """Record for lists that are not issued anew that they show everything up to ``revision``."""
        if names:
            with self.database.transaction():
                for name in names:
                    self.store.mark_unchanged(name, revision)

    def _recorder(
        self, name: ListName, template: RevocationListTemplate, shows: Shows, actor: Actor
    ) -> Callable[[bytes], None]:
        """Return what records the bytes of a list before the key signs them."""
        dates = ListDates(template.number, shows.revision, template.this_update, template.next_update, shows.about)

        def record(tbs: bytes) -> None:
            tbs_sha256 = hashlib.sha256(tbs).hexdigest()
            with self.database.transaction():
                self.store.add_pending(name, dates, tbs_sha256)
                self._audit(Action.CRL_PENDING, name, actor, number=template.number, tbs_sha256=tbs_sha256)

        return record

    def _audit(self, action: Action, name: ListName, actor: Actor, **details: object) -> None:
        which: dict[str, object] = {"ca": name.ca_name, "scope": str(name.scope), "kind": str(name.kind)}
        self.audit.append(self.now(), actor.entry(action, name.ca_name, which | details))
