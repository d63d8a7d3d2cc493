"""Where a certificate says that its revocation list, its issuer and an OCSP responder are to be found.

A list that is fetched from a URL a certificate names says, in a critical extension, that it is the list of that URL
(RFC 5280 section 5.2.5): so nobody can pass off the list of one partition for that of another. A list without that
extension speaks for all certificates of its CA.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from app.pki.certificate_template import Pointer, extension

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SEPARATOR: Final = "~"  # in file names, behind the CA's name; no CA's name holds one
EVERY_PARTITION: Final = -1
"""The partition of a certificate of which nobody knows it: its revocation is on all lists."""
_PARTITION: Final = re.compile(rf"{SEPARATOR}([0-9]{{1,9}})(?:{SEPARATOR}delta)?\.crl\Z")


class ListKind(StrEnum):
    """A complete list, or only what changed since an earlier complete one (RFC 5280 section 5.2.4)."""

    COMPLETE = "complete"
    DELTA = "delta"


@dataclass(frozen=True)
class ListScope:
    """Whose certificates a list covers: all of a CA, or those of one partition.

    ``at_point`` tells whether it is the list of a distribution point, and says so.
    """

    at_point: bool = False
    partition: int | None = None

    def __str__(self) -> str:
        """Return the scope as it is stored: ``all``, ``point``, ``point~3``."""
        if not self.at_point:
            return "all"
        return "point" if self.partition is None else f"point{SEPARATOR}{self.partition}"

    @classmethod
    def from_text(cls, text: str) -> ListScope:
        """Return the scope that is stored so."""
        kind, _, partition = text.partition(SEPARATOR)
        return cls(at_point=kind == "point", partition=int(partition) if partition else None)

    def covers(self, partition: int | None) -> bool:
        """Return whether a certificate of that partition belongs on the list."""
        return self.partition is None or partition in {self.partition, EVERY_PARTITION}


ALL: Final = ListScope()
POINT: Final = ListScope(at_point=True)


@dataclass(frozen=True)
class DistributionPoints:
    """The URLs of one CA below ``base_urls``. New certificates name the first; lists answer to all of them.

    ``partitions``: into how many lists new certificates are spread, by serial; 0 for one list. ``deltas``: whether
    delta lists are issued.
    """

    ca_name: str
    base_urls: tuple[str, ...]
    partitions: int = 0
    deltas: bool = False

    def partition(self, serial: int) -> int | None:
        """Return the partition a new certificate belongs to."""
        return serial % self.partitions if self.partitions else None

    def extensions(self, wanted: Collection[Pointer], serial: int) -> Iterator[x509.Extension[x509.ExtensionType]]:
        """Yield what a certificate of this CA says about where to look (RFC 5280 sections 4.2.1.13 to 4.2.2.1)."""
        base, scope = self.base_urls[0], ListScope(at_point=True, partition=self.partition(serial))
        if Pointer.CRL in wanted:
            point = _point([self.list_file(base, scope)])
            yield extension(x509.CRLDistributionPoints([point]), critical=False)
        if Pointer.FRESHEST_CRL in wanted and self.deltas:
            point = _point([self.list_file(base, scope, ListKind.DELTA)])
            yield extension(x509.FreshestCRL([point]), critical=False)
        access = []
        if Pointer.OCSP in wanted:
            access.append(_access(AuthorityInformationAccessOID.OCSP, f"{base}/ocsp"))
        if Pointer.CA_ISSUERS in wanted:
            access.append(_access(AuthorityInformationAccessOID.CA_ISSUERS, f"{base}/pki/{quote(self.ca_name)}.crt"))
        if access:
            yield extension(x509.AuthorityInformationAccess(access), critical=False)

    def list_file(self, base_url: str, scope: ListScope, kind: ListKind = ListKind.COMPLETE) -> str:
        """Return the URL of a list."""
        parts = [self.ca_name]
        if scope.partition is not None:
            parts.append(str(scope.partition))
        if kind is ListKind.DELTA:
            parts.append(kind)
        return f"{base_url}/pki/{quote(SEPARATOR.join(parts))}.crl"

    def of_list(self, scope: ListScope, kind: ListKind) -> Iterator[x509.Extension[x509.ExtensionType]]:
        """Yield what a list of the scope says about itself; nothing when it is no distribution point's."""
        if not scope.at_point:
            return
        urls = [self.list_file(base, scope) for base in self.base_urls]
        # A delta has the distribution point of the complete list it goes with (RFC 5280 section 5.2.4).
        yield extension(
            x509.IssuingDistributionPoint(
                full_name=_uris(urls),
                relative_name=None,
                only_contains_user_certs=False,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=False,
                only_contains_attribute_certs=False,
            ),
            critical=True,
        )
        if kind is ListKind.COMPLETE and self.deltas:
            fresh = [self.list_file(base, scope, ListKind.DELTA) for base in self.base_urls]
            yield extension(x509.FreshestCRL([_point(fresh)]), critical=False)


def offline_points(ca_name: str, base_urls: tuple[str, ...]) -> DistributionPoints:
    """Return the URLs of a CA whose key is offline: one list, made now and then by a ceremony, and no deltas."""
    return DistributionPoints(ca_name, base_urls)


def partition_of(certificate: x509.Certificate) -> int | None:
    """Return the partition whose list a certificate names, None when it names none."""
    lists = (each.value for each in certificate.extensions)
    points = (points for points in lists if isinstance(points, x509.CRLDistributionPoints | x509.FreshestCRL))
    names = (name for each in points for point in each for name in point.full_name or ())
    found = (_PARTITION.search(str(name.value)) for name in names)
    return next((int(match[1]) for match in found if match), None)


def _uris(urls: list[str]) -> list[x509.GeneralName]:
    return [x509.UniformResourceIdentifier(url) for url in urls]


def _point(urls: list[str]) -> x509.DistributionPoint:
    return x509.DistributionPoint(full_name=_uris(urls), relative_name=None, reasons=None, crl_issuer=None)


def _access(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
