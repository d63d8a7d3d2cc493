"""Why a certificate stopped being good (RFC 5280 section 5.3.1), and which changes of mind are allowed.

Names, numbers and texts are EJBCA's.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from app.errors import Conflict, InvalidInput


class RevocationReason(IntEnum):
    """CRLReason with EJBCA's spelling; NOTREVOKED is EJBCA's own, for a certificate that is good. 7 does not exist."""

    NOTREVOKED = -1
    UNSPECIFIED = 0
    KEYCOMPROMISE = 1
    CACOMPROMISE = 2
    AFFILIATIONCHANGED = 3
    SUPERSEDED = 4
    CESSATIONOFOPERATION = 5
    CERTIFICATEHOLD = 6
    REMOVEFROMCRL = 8
    PRIVILEGESWITHDRAWN = 9
    AACOMPROMISE = 10

    @classmethod
    def from_name(cls, name: str) -> RevocationReason:
        """Return the reason of that name, in any case; raise :class:`InvalidInput` for another word."""
        try:
            return cls[name.upper() if name.isascii() else ""]
        except KeyError as error:
            raise InvalidInput(f"invalid revocation reason {name[:40]}") from error


RELEASES: Final = frozenset({RevocationReason.NOTREVOKED, RevocationReason.REMOVEFROMCRL})
"""What EJBCA takes as "no longer revoked"; only a certificate on hold can be released."""


_BECOME_COMPROMISED: Final = frozenset(
    {
        RevocationReason.UNSPECIFIED,
        RevocationReason.AFFILIATIONCHANGED,
        RevocationReason.SUPERSEDED,
        RevocationReason.CESSATIONOFOPERATION,
        RevocationReason.PRIVILEGESWITHDRAWN,
    }
)
"""Reasons that say nothing of the key: it may turn out later that it was compromised."""


def after(
    current: RevocationReason, wanted: RevocationReason, *, issuer: str, serial: str, correcting: bool = False
) -> RevocationReason:
    """Return the reason a certificate has after ``wanted`` was asked of one that has ``current``.

    Good to any reason, hold to a permanent reason, hold to good. All else raises: a permanent revocation stays as it is
    (RFC 5280 section 5.3.1 knows a way back from certificateHold alone). With ``correcting``, keyCompromise may take
    the place of a reason that says nothing of the key; EJBCA does not let a client do that.
    """
    if current is RevocationReason.CERTIFICATEHOLD and wanted in RELEASES:
        return RevocationReason.NOTREVOKED
    if wanted in RELEASES:
        raise Conflict(
            f"Not allowed to unrevoke a certificate that is not on hold. Issuer {issuer}, serialNo {serial}."
        )
    on_hold = current is RevocationReason.CERTIFICATEHOLD and wanted is not RevocationReason.CERTIFICATEHOLD
    corrects = correcting and wanted is RevocationReason.KEYCOMPROMISE and current in _BECOME_COMPROMISED
    if current is RevocationReason.NOTREVOKED or on_hold or corrects:
        return wanted
    raise Conflict(f"Certificate is already revoked. Issuer: '{issuer}', serno: {serial}.")
