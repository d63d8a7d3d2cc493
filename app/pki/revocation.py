"""Why a certificate stopped being good (RFC 5280 section 5.3.1), by the names and numbers EJBCA uses."""

from __future__ import annotations

from enum import IntEnum

from app.errors import InvalidInput


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
            return cls[name.upper()]
        except KeyError as error:
            raise InvalidInput(f"invalid revocation reason {name[:40]}") from error
