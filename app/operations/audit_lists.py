"""Holds the newest revocation list of each CA against the revocations on record."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Final

from cryptography import x509

from app.operations.audit_findings import FindingKind
from app.pki.der import first_element

if TYPE_CHECKING:
    from app.operations.audit_findings import Findings
    from app.store.audited_rows import AuditedRows, NewestList

_GOOD: Final = -1


def check_lists(rows: AuditedRows, findings: Findings) -> None:
    """Tell of every list that is not the recorded one, names who is not revoked, or leaves out who is.

    A certificate whose state changed after the list was made has a later revision, and is left to the next list.
    """
    for newest in rows.newest_lists():
        which = f"The CRL {newest.number} of {newest.ca_name}"
        try:
            der = base64.b64decode(newest.crl)
            good = hashlib.sha256(first_element(der)).hexdigest() == newest.tbs_sha256
            listed = {f"{entry.serial_number:X}" for entry in x509.load_der_x509_crl(der)}
        except ValueError:
            good, listed = False, set()
        if good:
            _compare(newest, listed, rows, findings)
        else:
            findings.add(FindingKind.LIST, f"{which} is not the one that was recorded before it was signed.")


def _compare(newest: NewestList, listed: set[str], rows: AuditedRows, findings: Findings) -> None:
    which = f"The CRL {newest.number} of {newest.ca_name}"
    for serial, reason, not_after in rows.revocations(newest.ca_name, newest.revision):
        if reason == _GOOD:
            if serial in listed:
                findings.add(FindingKind.LIST, f"{which} names {serial}, which is good on record.")
        elif serial not in listed and not_after > newest.this_update:  # what has ended may leave the list
            findings.add(FindingKind.LIST, f"{which} leaves out {serial}, which is revoked on record.")
        listed.discard(serial)
    for serial in sorted(listed):
        if not rows.was_changed_since(newest.ca_name, serial, newest.revision) and not rows.is_known_elsewhere(
            newest.ca_name, serial
        ):
            findings.add(FindingKind.LIST, f"{which} names {serial}, which is not revoked on record.")
