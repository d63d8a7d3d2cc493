"""The entries of a list are written by midca itself: to the byte what the library would write."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.pki.der import elements
from app.pki.revocation import RevocationReason
from app.pki.revocation_list import RevocationListTemplate, list_entry, reason_flag, sign_revocation_list
from tests.pki.authorities import authority

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
REVOKED = [
    (1, NOW, RevocationReason.UNSPECIFIED),
    *((0x80 + reason, NOW, reason) for reason in RevocationReason if reason_flag(reason) is not None),
    ((1 << 159) - 1, NOW.replace(microsecond=999_999), RevocationReason.KEYCOMPROMISE),
    (0xFF, datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), RevocationReason.SUPERSEDED),
    (0x100, datetime(2050, 1, 1, tzinfo=UTC), RevocationReason.SUPERSEDED),
]


def by_the_library(template: RevocationListTemplate, revoked) -> bytes:
    """Return what would be signed of the same list."""
    entries = []
    for serial, moment, reason in revoked:
        flag = reason_flag(reason)
        builder = x509.RevokedCertificateBuilder(serial, moment.replace(microsecond=0), [])
        entries.append((builder.add_extension(x509.CRLReason(flag), critical=False) if flag else builder).build())
    identifier = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        authority().certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    )
    builder = x509.CertificateRevocationListBuilder(
        authority().certificate.subject, template.this_update, template.next_update, [], entries
    )
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(template.number), critical=False)
    return builder.sign(authority().key, hashes.SHA256()).tbs_certlist_bytes


@pytest.mark.parametrize(
    "revoked", [[], *([each] for each in REVOKED), REVOKED, REVOKED * 300], ids=lambda revoked: f"{len(revoked)}"
)
def test_list_is_what_the_library_would_write(revoked):
    recorded = []
    template = RevocationListTemplate(7, NOW, NOW + timedelta(days=7), [list_entry(*each) for each in revoked])

    der = sign_revocation_list(authority(), template, recorded.append)

    assert recorded == [by_the_library(template, revoked)] == [elements(der)[0]]
    crl = x509.load_der_x509_crl(der)
    assert crl.is_signature_valid(authority().certificate.public_key())
    assert [entry.serial_number for entry in crl] == [serial for serial, _, _ in revoked]


def test_what_is_not_recorded_is_not_signed():
    def refuse(_tbs: bytes) -> None:
        raise RuntimeError("the disk is full")

    with pytest.raises(RuntimeError, match="the disk is full"):
        sign_revocation_list(authority(), RevocationListTemplate(7, NOW, NOW + timedelta(days=7), []), refuse)
