import copy

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa

from app.pki.declared_authority import KEY_TYPES
from app.pki.write_ahead_key import write_ahead_key
from tests.pki.authorities import NOW, authority, authority_key


def builder(key_type: str) -> x509.CertificateBuilder:
    ca = authority(key_type)
    return x509.CertificateBuilder(
        issuer_name=ca.certificate.subject,
        subject_name=ca.certificate.subject,
        public_key=ca.key.public_key(),
        serial_number=7,
        not_valid_before=NOW,
        not_valid_after=NOW.replace(year=2027),
    )


def hash_for(key_type: str) -> hashes.SHA256 | None:
    return hashes.SHA256() if key_type in {"RSA", "P-256", "P-384", "P-521"} else None


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("copied", [lambda key: key, copy.copy, copy.deepcopy], ids=["itself", "copy", "deepcopy"])
def test_builder_signs_with_every_kind_of_key_and_the_exact_bytes_are_recorded_once(key_type, copied):
    recorded = []
    key = copied(write_ahead_key(authority_key(key_type), recorded.append))

    certificate = builder(key_type).sign(key, hash_for(key_type))

    assert recorded == [certificate.tbs_certificate_bytes]
    certificate.verify_directly_issued_by(authority(key_type).certificate)


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_nothing_is_signed_when_recording_fails(key_type):
    signed = []
    watched = write_ahead_key(authority_key(key_type), signed.append)

    def fail(_: bytes) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        builder(key_type).sign(write_ahead_key(watched, fail), hash_for(key_type))

    assert signed == []


def test_revocation_list_is_recorded_too():
    recorded = []
    listed = x509.CertificateRevocationListBuilder(
        issuer_name=authority().certificate.subject, last_update=NOW, next_update=NOW.replace(year=2027)
    )

    crl = listed.sign(write_ahead_key(authority_key("RSA"), recorded.append), hashes.SHA256())

    assert recorded == [crl.tbs_certlist_bytes]


def test_key_no_ca_signs_with_is_refused():
    with pytest.raises(TypeError, match="no key a CA can sign with"):
        write_ahead_key(dsa.generate_private_key(2048), lambda _: None)
