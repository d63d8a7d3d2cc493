"""All that a certificate will say but its serial, issuer and dates."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING

from cryptography import x509

from app.pki.distinguished_name import to_string

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

    from app.pki.period import Moment, Period


class Pointer(StrEnum):
    """What a certificate can say about where to look; the words are those of profile files."""

    CRL = "crl"
    FRESHEST_CRL = "freshest_crl"
    CA_ISSUERS = "caIssuers"
    OCSP = "ocsp"


@dataclass(frozen=True)
class CertificateTemplate:
    """What a profile made of a request.

    ``validity`` is the end, or counts from the start, which lies ``backdated`` before the moment of signing; the CA
    caps the end at its own. ``asked`` are other dates that were asked for, up to ``longest``; ``no_end_on`` weekdays,
    0 for Monday. ``extensions`` hold everything but what is the CA's to write: its key identifier and the
    ``pointers``. ``hash_algorithm`` is for CA keys that hash apart from signing (RSA, ECDSA); None lets the CA's key
    decide. ``supersedes``: once issued, the certificate takes the place of those its holder had.
    """

    subject: x509.Name
    public_key: CertificatePublicKeyTypes
    validity: Moment
    backdated: timedelta
    extensions: tuple[x509.Extension[x509.ExtensionType], ...]
    hash_algorithm: hashes.SHA256 | hashes.SHA384 | hashes.SHA512 | None
    profile: str
    profile_sha256: str
    asked: tuple[Period, ...] = ()
    longest: Moment | None = None
    no_end_on: frozenset[int] = frozenset()
    pointers: frozenset[Pointer] = frozenset()
    supersedes: bool = False

    @cached_property
    def subject_dn(self) -> str:
        """The subject as EJBCA writes it."""
        return to_string(self.subject)


@dataclass(frozen=True)
class Particulars:
    """What the CA adds to a template: serial, dates, and the partition of the revocation list that is named."""

    serial: int
    not_before: datetime
    not_after: datetime
    crl_partition: int | None = None


def extension(value: x509.ExtensionType, *, critical: bool) -> x509.Extension[x509.ExtensionType]:
    """Return ``value`` as an extension that carries its OID and criticality."""
    return x509.Extension(value.oid, critical, value)
