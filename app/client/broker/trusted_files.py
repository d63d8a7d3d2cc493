"""``ca.pem`` and ``crl.pem``: the certificates of the CA up to its root, and the revocation list of each of them.

What is in them was verified, and is good to the broker: a list that ran out, or none, locks every client out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ..chain import Chain, fingerprint, to_pem, verified_chain
from ..errors import BadAnswer, FileTrouble, NotVerified, legible
from ..files import read, write
from ..revocation_list import list_number, verify_list

CERTIFICATES: Final = "ca.pem"
LISTS: Final = "crl.pem"
_BLOCK: Final = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.*?-----END \1-----\n?", re.DOTALL)


@dataclass(frozen=True)
class TrustedFiles:
    """A CA, those above it, and the list of each, in the same order."""

    chain: Chain
    lists: tuple[x509.CertificateRevocationList, ...]

    @classmethod
    def parse(cls, pem: bytes, source: str) -> TrustedFiles:
        """Read what ``/pki/<CA>.bundle.pem`` has: certificates and lists; raise :class:`BadAnswer` for all else."""
        chain, lists = [], []
        for match in _BLOCK.finditer(pem):
            try:
                if match[1] == b"CERTIFICATE":
                    chain.append(x509.load_pem_x509_certificate(match[0]))
                elif match[1] == b"X509 CRL":
                    lists.append(x509.load_pem_x509_crl(match[0]))
                else:
                    raise BadAnswer(f"{source} holds a {match[1].decode()}.")
            except ValueError as error:
                raise BadAnswer(f"{source} holds a {match[1].decode()} that cannot be read.") from error
        if not chain:
            raise BadAnswer(f"{source} holds no certificate.")
        return cls(tuple(chain), tuple(lists))

    @classmethod
    def installed(cls, directory: Path) -> TrustedFiles | None:
        """Return what the broker uses now, None when a file is not there or does not hold what it should."""
        certificates, lists = read(directory / CERTIFICATES), read(directory / LISTS)
        if certificates is None or lists is None:
            return None
        try:
            found = cls.parse(certificates + lists, f"{directory}")
        except BadAnswer:
            return None
        return found if len(found.lists) == len(found.chain) else None

    def verified(self, root_sha256: str, now: datetime) -> TrustedFiles:
        """Return the same, in order, or raise :class:`NotVerified`: every signature holds, every list is good now.

        ``root_sha256`` is the fingerprint of the root that was trusted when the broker was set up.
        """
        with legible("What the CA hands out"):
            return self._verified(root_sha256, now)

    def _verified(self, root_sha256: str, now: datetime) -> TrustedFiles:
        chain = verified_chain(self.chain, now)
        if fingerprint(chain[-1]) != root_sha256:
            raise NotVerified(
                f"The CA's root is {fingerprint(chain[-1])}, not {root_sha256} as it was when this broker was set up.",
                "If the CA has a new root, set the broker up anew; if not, somebody answers in its place.",
            )
        return TrustedFiles(chain, tuple(self._list_of(certificate, now) for certificate in chain))

    def _list_of(self, certificate: x509.Certificate, now: datetime) -> x509.CertificateRevocationList:
        name = certificate.subject.rfc4514_string()
        found = [crl for crl in self.lists if crl.issuer == certificate.subject]
        if len(found) != 1:
            raise NotVerified(f"There are {len(found)} revocation lists of {name}, not one.")
        verify_list(found[0], certificate, now)
        if list_number(found[0]) is None:
            raise NotVerified(f"The revocation list of {name} has no number.")
        if any(isinstance(extension.value, x509.IssuingDistributionPoint) for extension in found[0].extensions):
            raise NotVerified(
                f"The revocation list of {name} is that of one URL; OpenSSL refuses certificates that do not name it."
            )
        return found[0]

    def check_not_older(self, used: TrustedFiles) -> None:
        """Raise :class:`NotVerified` when a list is older than the one in use, or another of the same number."""
        for crl in self.lists:
            for old in used.lists:
                if old.issuer != crl.issuer or old == crl:
                    continue
                if number(crl) <= number(old) or crl.last_update_utc < old.last_update_utc:
                    raise NotVerified(
                        f"The CA hands out list {number(crl)} of {crl.issuer.rfc4514_string()}, which is not newer "
                        f"than list {number(old)}, which is in use.",
                        "A cache may lie between; else somebody answers in the CA's place.",
                    )

    def write(self, directory: Path) -> None:
        """Put both files in place, each whole."""
        write(directory / CERTIFICATES, to_pem(self.chain))
        write(directory / LISTS, b"".join(crl.public_bytes(Encoding.PEM) for crl in self.lists))

    def shows(self, serials: set[int]) -> set[int]:
        """Return which of these serials the issuing CA's list shows."""
        return serials & {entry.serial_number for entry in self.lists[0]} if serials else set()


def bundle_path(ca: str) -> str:
    """Return where the CA hands out what :meth:`TrustedFiles.parse` reads."""
    return f"/pki/{quote(ca, safe='')}.bundle.pem"


def number(crl: x509.CertificateRevocationList) -> int:
    """Return the number of a verified list."""
    found = list_number(crl)
    if found is None:
        raise FileTrouble("A revocation list without a number is in use.", f"Remove {LISTS}.")
    return found
