import dataclasses
import re
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from app.errors import SigningUnavailable
from app.pki.certificate_authority import CertificateAuthority, fingerprint, serial_hex
from app.pki.declared_authority import KEY_TYPES
from app.pki.write_ahead_key import write_ahead_key
from tests.builders import key
from tests.pki.authorities import NOW, TEMPLATE, authority, authority_key


def ignore(_: bytes) -> None:
    """Record nothing."""


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_certificate_verifies_and_names_its_issuer(key_type):
    ca = authority(key_type)

    certificate = ca.sign(TEMPLATE, serial=5, now=NOW, record=ignore)

    certificate.verify_directly_issued_by(ca.certificate)
    assert certificate.issuer == ca.certificate.subject


def test_authority_key_identifier_is_the_issuers_subject_key_identifier():
    """A70."""
    ca = authority()

    certificate = ca.sign(TEMPLATE, serial=5, now=NOW, record=ignore)

    own = ca.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    found = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier)
    assert found.value.key_identifier == own.digest
    assert not found.critical


def test_certificate_is_backdated_and_in_whole_seconds():
    certificate = authority().sign(TEMPLATE, serial=5, now=NOW + timedelta(days=1), record=ignore)

    assert certificate.not_valid_before_utc == NOW.replace(microsecond=0) + timedelta(days=1, minutes=-10)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=730)


def test_certificate_begins_no_earlier_than_its_ca():
    ca = authority()

    certificate = ca.sign(TEMPLATE, serial=5, now=NOW, record=ignore)

    assert certificate.not_valid_before_utc == ca.certificate.not_valid_before_utc


def test_certificate_ends_no_later_than_its_ca():
    """A72."""
    ca = authority(validity=timedelta(days=10))

    certificate = ca.sign(TEMPLATE, serial=5, now=NOW + timedelta(days=1), record=ignore)

    assert certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc


@pytest.mark.parametrize(
    ("moment", "reason"),
    [
        (NOW - timedelta(days=1), "not yet valid"),
        (NOW + timedelta(days=3651), "has expired"),
        (NOW.replace(year=1949), "not yet valid"),
        (NOW.replace(year=9999), "has expired"),
    ],
    ids=["yesterday", "after its end", "1949", "9999"],
)
def test_ca_signs_nothing_outside_of_its_validity(moment, reason):
    """A72."""
    recorded = []

    with pytest.raises(SigningUnavailable, match=reason):
        authority().sign(TEMPLATE, serial=5, now=moment, record=recorded.append)

    assert recorded == []


@pytest.mark.parametrize("serial", [1, 127, 128, 2**64, 2**159 - 1])
def test_serial_is_the_one_given(serial):
    assert authority().sign(TEMPLATE, serial=serial, now=NOW, record=ignore).serial_number == serial


@pytest.mark.parametrize("serial", [0, -1, 2**160])
def test_impossible_serial_is_refused_before_anything_is_recorded(serial):
    recorded = []

    with pytest.raises(ValueError, match=r"(?i)serial|negative"):
        authority().sign(TEMPLATE, serial=serial, now=NOW, record=recorded.append)

    assert recorded == []


@pytest.mark.parametrize(("serial", "text"), [(1, "1"), (255, "FF"), (0x0A1B, "A1B")])
def test_serial_is_written_in_upper_case_hex_without_leading_zeros(serial, text):
    assert serial_hex(serial) == text


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_exact_bytes_are_recorded_before_the_key_signs_them(key_type):
    events = []
    watched = write_ahead_key(authority_key(key_type), lambda tbs: events.append(("signed", tbs)))
    ca = dataclasses.replace(authority(key_type), key=watched)

    certificate = ca.sign(TEMPLATE, serial=5, now=NOW, record=lambda tbs: events.append(("recorded", tbs)))

    assert events == [("recorded", certificate.tbs_certificate_bytes), ("signed", certificate.tbs_certificate_bytes)]


def test_nothing_is_signed_when_recording_fails():
    signed = []
    ca = dataclasses.replace(authority(), key=write_ahead_key(authority_key("RSA"), signed.append))

    def fail(_: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        ca.sign(TEMPLATE, serial=5, now=NOW, record=fail)

    assert signed == []


@pytest.mark.parametrize("key_type", ["RSA", "Ed25519"])
def test_recorded_bytes_signed_again_give_the_identical_certificate(key_type):
    ca, recorded = authority(key_type), []
    first = ca.sign(TEMPLATE, serial=5, now=NOW, record=recorded.append)

    assert ca.sign_recorded(recorded[0]) == first


@pytest.mark.parametrize("key_type", ["P-256", "P-384", "P-521", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87"])
def test_recorded_bytes_signed_again_give_a_certificate_that_verifies_and_says_the_same(key_type):
    ca, recorded = authority(key_type), []
    ca.sign(TEMPLATE, serial=5, now=NOW, record=recorded.append)

    again = ca.sign_recorded(recorded[0])

    again.verify_directly_issued_by(ca.certificate)
    assert again.tbs_certificate_bytes == recorded[0]


def test_signature_of_a_key_that_does_not_fit_the_certificate_never_leaves():
    ca, tbs = authority(), []
    ca.sign(TEMPLATE, serial=5, now=NOW, record=tbs.append)
    other = dataclasses.replace(ca, key=key(1))

    with pytest.raises(SigningUnavailable, match="does not verify"):
        other.sign(TEMPLATE, serial=5, now=NOW, record=ignore)
    with pytest.raises(SigningUnavailable, match="does not verify"):
        other.sign_recorded(tbs[0])


def test_ca_without_its_key_is_offline():
    offline = CertificateAuthority("Test CA", authority().chain, None)

    with pytest.raises(SigningUnavailable, match="offline"):
        offline.sign(TEMPLATE, serial=5, now=NOW, record=ignore)
    with pytest.raises(SigningUnavailable, match="offline"):
        offline.check_usable(NOW + timedelta(hours=1))


def test_ca_shows_no_key_when_printed():
    assert "key" not in repr(authority())


def test_fingerprint_is_written_as_openssl_writes_it():
    certificate = authority().certificate

    text = fingerprint(certificate)

    assert bytes.fromhex(text.replace(":", "")) == certificate.fingerprint(hashes.SHA256())
    assert re.fullmatch("([0-9A-F]{2}:){31}[0-9A-F]{2}", text)
