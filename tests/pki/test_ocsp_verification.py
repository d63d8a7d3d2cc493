"""Which OCSP answers are believed: one good one, varied in one part."""

import dataclasses
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.ocsp import OCSPResponseStatus

from app.errors import InvalidInput
from app.files.profile_files import load_profile
from app.files.shipped import shipped
from app.pki.certificate_template import extension
from app.pki.ocsp import UNKNOWN, CertificateStatus, IssuerId, OcspError, OcspRequest, Status, Validity, sign_answer
from app.pki.ocsp_responder import OcspResponder, generate_key, responder_template
from app.pki.ocsp_verification import verified
from app.pki.revocation import RevocationReason
from tests.pki.authorities import NOW, authority

RESPONDERS = load_profile(shipped("profiles") / "ocsp-responder.yaml")
MOMENT = NOW.replace(microsecond=0)
CA = authority()
REQUEST = OcspRequest(IssuerId.of(CA.certificate, "sha256"), 77, b"n" * 32)
VALIDITY = Validity(MOMENT, MOMENT + timedelta(hours=1))
REVOKED = CertificateStatus.revoked(MOMENT - timedelta(days=1), RevocationReason.KEYCOMPROMISE)
HELD = CertificateStatus.revoked(MOMENT - timedelta(days=1), RevocationReason.CERTIFICATEHOLD)
UNSPECIFIED = CertificateStatus.revoked(MOMENT - timedelta(days=1), RevocationReason.UNSPECIFIED)


def responder(issuer=CA, *, without: type | None = None, **changed) -> OcspResponder:
    key = generate_key()
    template = responder_template(issuer, RESPONDERS, key.public_key())
    kept = tuple(each for each in template.extensions if without is None or each.oid != without.oid)
    template = dataclasses.replace(template, **{"extensions": kept, **changed})
    certificate = issuer.sign(template, serial=5, now=NOW, record=lambda _: None)
    return OcspResponder(certificate, key)


RESPONDER = responder()
GOOD = CertificateStatus(Status.GOOD)


def answer(*, signer=RESPONDER, request=REQUEST, status=GOOD, validity=VALIDITY) -> bytes:
    return sign_answer(signer, request, status, validity)


def believed(der: bytes, **changed):
    options = {"request": REQUEST, "issuer": CA.certificate, "now": NOW, **changed}
    return verified(der, **options)


@pytest.mark.parametrize("status", [GOOD, UNKNOWN, REVOKED, HELD, UNSPECIFIED])
def test_answer_of_the_delegated_responder_is_believed(status):
    found = believed(answer(status=status))

    assert (found.status, found.validity, found.signer) == (status, VALIDITY, RESPONDER.certificate)


@pytest.mark.parametrize("hash_name", ["sha1", "sha224", "sha256", "sha384", "sha512"])
def test_request_survives_its_encoding(hash_name):
    request = dataclasses.replace(REQUEST, issuer=IssuerId.of(CA.certificate, hash_name))

    assert OcspRequest.from_der(request.encoded()) == request
    assert believed(answer(request=request), request=request).status == GOOD


@pytest.mark.parametrize("key_type", ["P-256", "P-384"])
def test_answer_of_the_ca_itself_is_believed(key_type):
    ca = authority(key_type)
    request = dataclasses.replace(REQUEST, issuer=IssuerId.of(ca.certificate, "sha256"))
    der = answer(signer=OcspResponder(ca.certificate, ca.key), request=request)

    assert believed(der, request=request, issuer=ca.certificate).signer == ca.certificate


def refusal(der: bytes, **changed) -> str:
    with pytest.raises(InvalidInput) as refused:
        believed(der, **changed)
    return str(refused.value)


def test_answer_about_another_certificate_is_not_believed():
    for changed in ({"serial": 78}, {"issuer": dataclasses.replace(REQUEST.issuer, key_hash=bytes(32))}):
        assert "another certificate" in refusal(answer(request=dataclasses.replace(REQUEST, **changed)))


@pytest.mark.parametrize("nonce", [None, b"o" * 32])
def test_answer_without_the_nonce_is_not_believed(nonce):
    assert "nonce" in refusal(answer(request=dataclasses.replace(REQUEST, nonce=nonce)))


def test_answer_without_a_nonce_is_believed_where_none_was_asked():
    request = dataclasses.replace(REQUEST, nonce=None)

    assert believed(answer(request=request), request=request).status == GOOD


def test_answer_that_has_run_out_or_is_yet_to_come_is_not_believed():
    der = answer()
    for minutes, believable in ((-6, False), (0, True), (64, True), (66, False)):
        now = NOW + timedelta(minutes=minutes)
        if believable:
            believed(der, now=now, issuer=CA.certificate)
        else:
            assert "The OCSP answer" in refusal(der, now=now)
    assert "run out" in refusal(der, now=NOW + timedelta(hours=2))


def test_stranger_who_signs_is_not_believed():
    stranger = authority("P-256")
    assert "entrusted: it has no certificate of the CA" in refusal(answer(signer=responder(stranger)))


def test_device_that_signs_is_not_believed():
    signer = responder(without=x509.ExtendedKeyUsage)
    assert "not for signing OCSP answers" in refusal(answer(signer=signer))


def test_device_of_another_usage_is_not_believed():
    usage = extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    assert "not for signing OCSP answers" in refusal(answer(signer=responder(extensions=(usage,))))


def test_responder_whose_certificate_ended_is_not_believed():
    signer = responder(validity=timedelta(minutes=5))
    assert "not valid now" in refusal(answer(signer=signer), now=NOW + timedelta(minutes=10))


def test_changed_answer_is_not_believed():
    der = bytearray(answer(status=REVOKED))
    at = der.index(b"20260130")  # the date of the revocation
    der[at : at + 8] = b"20260129"

    assert refusal(bytes(der)) == "The signature of the OCSP answer is wrong."


@pytest.mark.parametrize("error", OcspError)
def test_error_is_told_by_its_name(error):
    assert refusal(error.encoded) == f"There is no OCSP answer but the error {error.name}."


def test_answer_cut_anywhere_is_not_believed():
    der = answer()
    for end in range(0, len(der), 7):
        refusal(der[:end])


def test_key_that_does_not_fit_is_no_responder():
    with pytest.raises(InvalidInput, match="does not fit"):
        OcspResponder(RESPONDER.certificate, generate_key())


@pytest.mark.parametrize("length", [1, 58, 59, 60, 64])
def test_common_name_of_a_responder_is_never_too_long(length):
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x" * length)])
    ca = dataclasses.replace(CA, chain=(authority(subject=name).certificate,))

    template = responder_template(ca, RESPONDERS, generate_key().public_key())

    common_name = template.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value
    assert common_name.endswith("x OCSP")
    assert len(common_name) == min(length + 5, 64)


def test_status_successful_is_no_error():
    assert OCSPResponseStatus.SUCCESSFUL not in {error.value for error in OcspError}
    assert isinstance(RESPONDER.certificate.signature_hash_algorithm, hashes.SHA256)
