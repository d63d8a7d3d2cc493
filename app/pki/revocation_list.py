"""Certificate revocation lists (RFC 5280 section 5): what a CA says is not good any more."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.pki.certificate_template import extension
from app.pki.der import SEQUENCE, elements, head, sequence
from app.pki.revocation import RevocationReason
from app.pki.write_ahead_key import hash_for, raw_signature, write_ahead_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.pki.certificate_authority import CertificateAuthority

_FLAGS: Final = {
    RevocationReason.KEYCOMPROMISE: x509.ReasonFlags.key_compromise,
    RevocationReason.CACOMPROMISE: x509.ReasonFlags.ca_compromise,
    RevocationReason.AFFILIATIONCHANGED: x509.ReasonFlags.affiliation_changed,
    RevocationReason.SUPERSEDED: x509.ReasonFlags.superseded,
    RevocationReason.CESSATIONOFOPERATION: x509.ReasonFlags.cessation_of_operation,
    RevocationReason.CERTIFICATEHOLD: x509.ReasonFlags.certificate_hold,
    RevocationReason.REMOVEFROMCRL: x509.ReasonFlags.remove_from_crl,
    RevocationReason.PRIVILEGESWITHDRAWN: x509.ReasonFlags.privilege_withdrawn,
    RevocationReason.AACOMPROMISE: x509.ReasonFlags.aa_compromise,
}
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_OCTET_STRING: Final = 0x04
_YEAR_OF_FOUR_DIGITS: Final = 2050
_CRL_REASON: Final = b"\x06\x03\x55\x1d\x15"  # 2.5.29.21
_END_OF_LIST: Final = b"-----END X509 CRL-----"
_OCTETS_A_LINE: Final = 48  # 64 columns of base64


def _reason(flag: x509.ReasonFlags) -> bytes:
    """Return the extensions of an entry: its reason (RFC 5280 section 5.3.1)."""
    value = x509.CRLReason(flag).public_bytes()
    return sequence([sequence([_CRL_REASON, head(_OCTET_STRING, len(value)), value])])


_REASONS: Final = {reason: _reason(flag) for reason, flag in _FLAGS.items()}


class Padding(Enum):
    """Ways to say the same in another number of octets, see :func:`ends_on_a_full_line`."""

    NONE = "the key identifier alone"
    LONG_IDENTIFIER = "issuer and serial in the authority key identifier beside the key's (RFC 5280 section 5.2.1)"
    ISSUER_ALTERNATIVE_NAME = "the CA's name again as an alternative name (RFC 5280 section 5.2.2)"


@dataclass(frozen=True)
class RevocationListTemplate:
    """All that a list says. ``number`` is the CRL number (RFC 5280 section 5.2.3).

    ``base_number`` makes it a delta: what changed since the complete list of that number. ``extensions`` say whose
    list it is (see ``distribution_points``).
    """

    number: int
    this_update: datetime
    next_update: datetime
    entries: list[bytes] = field(repr=False)
    base_number: int | None = None
    extensions: tuple[x509.Extension[x509.ExtensionType], ...] = ()
    padding: Padding = Padding.NONE


def list_entry(serial: int, revoked_at: datetime, reason: RevocationReason) -> bytes:
    """Return the DER of one entry (RFC 5280 section 5.1), whose time is in UTC.

    The reason "unspecified" is left out, as section 5.3.1 wants it. The library would take four times as long and twice
    the memory, and a list may have a million.
    """
    number = serial.to_bytes(serial.bit_length() // 8 + 1)
    return sequence((head(_INTEGER, len(number)), number, _time(revoked_at), _REASONS.get(reason, b"")))


def _time(moment: datetime) -> bytes:
    """Return a time as RFC 5280 section 5.1.2.4 wants it: UTCTime through the year 2049, GeneralizedTime after it."""
    rest = moment.month, moment.day, moment.hour, moment.minute, moment.second
    if moment.year < _YEAR_OF_FOUR_DIGITS:
        return b"\x17\x0d%02d%02d%02d%02d%02d%02dZ" % (moment.year % 100, *rest)
    return b"\x18\x0f%04d%02d%02d%02d%02d%02dZ" % (moment.year, *rest)


def reason_flag(reason: RevocationReason) -> x509.ReasonFlags | None:
    """Return the library's name of a reason; None for "unspecified", which is left out where reasons are written."""
    return _FLAGS.get(reason)


def reason_of(flag: x509.ReasonFlags) -> RevocationReason:
    """Return the reason that goes by the library's name."""
    return next((reason for reason, known in _FLAGS.items() if known is flag), RevocationReason.UNSPECIFIED)


def reason_of_entry(entry: x509.RevokedCertificate) -> RevocationReason:
    """Return why a list says that a certificate was revoked."""
    try:
        return reason_of(entry.extensions.get_extension_for_class(x509.CRLReason).value.reason)
    except x509.ExtensionNotFound:
        return RevocationReason.UNSPECIFIED


def sign_revocation_list(
    authority: CertificateAuthority, template: RevocationListTemplate, record: Callable[[bytes], None]
) -> bytes:
    """Sign a list and return its DER; ``record`` gets the TBSCertList first, and if it raises, nothing is signed."""
    key = authority.signing_key()
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.certificate.subject,
        last_update=template.this_update,
        next_update=template.next_update,
        extensions=[*_about(authority, template), *template.extensions],
    )
    version, algorithm, *more, extensions = elements(_without_entries(builder, key))
    entries = (head(SEQUENCE, sum(map(len, template.entries))), *template.entries) if template.entries else ()
    tbs = sequence((version, algorithm, *more, *entries, extensions))
    record(tbs)
    signature = raw_signature(key, tbs, hashes.SHA256())
    return sequence((tbs, algorithm, head(_BIT_STRING, len(signature) + 1), b"\0", signature))


class _Encoded(Exception):
    """Carries what a builder would sign."""


def _without_entries(builder: x509.CertificateRevocationListBuilder, key: CertificateIssuerPrivateKeyTypes) -> bytes:
    """Return the TBSCertList of a list without entries, which is not signed."""

    def stop(tbs: bytes) -> None:
        raise _Encoded(tbs)

    try:
        builder.sign(write_ahead_key(key, stop), hash_for(key, hashes.SHA256()))
    except _Encoded as encoded:
        tbs: bytes = encoded.args[0]
        return tbs
    raise AssertionError("a builder that does not ask its key to sign")


def sign_for_old_clients(
    authority: CertificateAuthority, template: RevocationListTemplate, record: Callable[[bytes], None]
) -> bytes:
    """Sign a list that covers all of a CA: padded until old clients, which read it as base64, can read it.

    What is signed on the way to the right length is recorded too, and never handed out.
    """
    for padding in Padding:
        der = sign_revocation_list(authority, replace(template, padding=padding), record)
        if not ends_on_a_full_line(der):
            break
    return der


def lists_from_pem(pem: bytes) -> list[x509.CertificateRevocationList]:
    """Return the lists of a file; raise :class:`ValueError` when one of them is none, or there is no list."""
    *blocks, _ = pem.split(_END_OF_LIST)
    if not blocks:
        raise ValueError("no revocation list")
    return [x509.load_pem_x509_crl(block + _END_OF_LIST) for block in blocks]


def is_list_of(authority: CertificateAuthority, revocation_list: x509.CertificateRevocationList) -> bool:
    """Return whether the list says that it is the CA's, and is signed by its key."""
    certificate = authority.certificate
    try:
        return revocation_list.issuer == certificate.subject and revocation_list.is_signature_valid(
            certificate.public_key()  # type: ignore[arg-type] # any other raises
        )
    except (TypeError, ValueError):
        return False


def ends_on_a_full_line(der: bytes) -> bool:
    """Return whether base64 of ``der`` fills its last line of 64 columns.

    Old clients break the base64 themselves by putting a newline behind every 64 characters, and a list whose last
    line is full then has an empty line before its END, which OpenSSL does not read.
    """
    return -len(der) % _OCTETS_A_LINE in {0, 1, 2}


def _about(
    authority: CertificateAuthority, template: RevocationListTemplate
) -> Iterator[x509.Extension[x509.ExtensionType]]:
    """Yield whose list it is, which one, and since when."""
    yield extension(_identifier(authority, template.padding), critical=False)
    yield extension(x509.CRLNumber(template.number), critical=False)
    if template.base_number is not None:
        yield extension(x509.DeltaCRLIndicator(template.base_number), critical=True)
    if template.padding is Padding.ISSUER_ALTERNATIVE_NAME:
        names = [x509.DirectoryName(authority.certificate.subject)]
        yield extension(x509.IssuerAlternativeName(names), critical=False)


def _identifier(authority: CertificateAuthority, padding: Padding) -> x509.AuthorityKeyIdentifier:
    certificate = authority.certificate
    key_identifier = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    if padding is not Padding.LONG_IDENTIFIER:
        return x509.AuthorityKeyIdentifier(key_identifier, None, None)
    return x509.AuthorityKeyIdentifier(
        key_identifier, [x509.DirectoryName(certificate.issuer)], certificate.serial_number
    )
