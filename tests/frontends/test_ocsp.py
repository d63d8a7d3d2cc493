"""``/ocsp`` over HTTP, as a client sees it."""

import base64
import logging
from datetime import UTC, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.operations.ocsp import Ocsp
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests import ocsp
from tests.builders import csr, one_line
from tests.conftest import ACTOR
from tests.pki.authorities import authority

NONCE = bytes(range(32))
MALFORMED, UNAUTHORIZED = OCSPResponseStatus.MALFORMED_REQUEST, OCSPResponseStatus.UNAUTHORIZED
TRY_LATER, SUCCESSFUL = OCSPResponseStatus.TRY_LATER, OCSPResponseStatus.SUCCESSFUL
ALGORITHMS = [ocsp.SHA1, hashes.SHA224(), hashes.SHA256(), hashes.SHA384(), hashes.SHA512()]


@pytest.fixture
def mid(installation) -> x509.Certificate:
    return installation.services.authorities.named("IOTmidCA").certificate


@pytest.fixture
def root(installation) -> x509.Certificate:
    return installation.services.authorities.named("IOTrootCA").certificate


@pytest.fixture
def serial(installation) -> str:
    """The serial of a good certificate."""
    installation.add()
    return installation.sign("f60c28", "dojot", one_line(csr())).serial


@pytest.fixture
def change(installation, serial):
    def change(reason: RevocationReason) -> None:
        installation.services.revocation.change("IOTmidCA", serial, reason, ACTOR)

    return change


def verified(response, issuer: x509.Certificate):
    """Hold the response against RFC 6960 section 4.2.2.2: signed by who the issuer delegated it to."""
    (responder,) = response.certificates
    responder.verify_directly_issued_by(issuer)
    assert x509.ExtendedKeyUsageOID.OCSP_SIGNING in extension(responder, x509.ExtendedKeyUsage)
    extension(responder, x509.OCSPNoCheck)
    assert response.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(responder.public_key()).digest
    responder.public_key().verify(response.signature, response.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    return response


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind).value


def nonce_of(response) -> bytes | None:
    try:
        return extension(response, x509.OCSPNonce).nonce
    except x509.ExtensionNotFound:
        return None


@pytest.mark.parametrize("ask", [ocsp.post, ocsp.get], ids=["POST", "GET"])
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: algorithm.name)
def test_good_certificate_is_good(client, mid, serial, ask, algorithm):
    response = verified(ask(client, ocsp.request(mid, serial, algorithm=algorithm)), mid)

    assert response.certificate_status is OCSPCertStatus.GOOD
    assert response.serial_number == int(serial, 16)
    assert response.hash_algorithm.name == algorithm.name


def test_answer_holds_for_an_hour_and_never_longer_than_the_responder(client, installation, mid, serial):
    response = ocsp.post(client, ocsp.request(mid, serial))

    assert response.this_update_utc == installation.clock.now.replace(microsecond=0)
    assert response.next_update_utc - response.this_update_utc == timedelta(hours=1)
    (responder,) = response.certificates
    installation.clock.now = responder.not_valid_after_utc - timedelta(minutes=20)
    last = ocsp.post(client, ocsp.request(mid, serial))
    assert last.next_update_utc == responder.not_valid_after_utc


@pytest.mark.parametrize("reason", [reason for reason in RevocationReason if reason not in {-1, 8}])
def test_revoked_certificate_is_revoked_at_once_with_date_and_reason(client, mid, serial, change, reason):
    assert ocsp.get(client, ocsp.request(mid, serial)).certificate_status is OCSPCertStatus.GOOD
    change(reason)

    response = verified(ocsp.get(client, ocsp.request(mid, serial)), mid)

    assert response.certificate_status is OCSPCertStatus.REVOKED
    assert response.revocation_time_utc == response.this_update_utc  # the clock stands
    if reason is RevocationReason.UNSPECIFIED:  # left out, as EJBCA does
        assert response.revocation_reason is None
    else:
        assert response.revocation_reason.name.replace("_", "").upper().startswith(reason.name[:9])


def test_hold_is_answered_and_its_release_too(client, mid, serial, change):
    change(RevocationReason.CERTIFICATEHOLD)
    held = ocsp.post(client, ocsp.request(mid, serial))
    assert held.revocation_reason is x509.ReasonFlags.certificate_hold
    change(RevocationReason.NOTREVOKED)

    assert ocsp.post(client, ocsp.request(mid, serial)).certificate_status is OCSPCertStatus.GOOD


def test_an_answer_from_before_a_hold_is_not_shown_after_its_release(client, installation, mid, serial, change):
    before = ocsp.post(client, ocsp.request(mid, serial))
    installation.clock.advance(seconds=1)
    change(RevocationReason.CERTIFICATEHOLD)
    change(RevocationReason.NOTREVOKED)

    after = ocsp.post(client, ocsp.request(mid, serial))
    assert after.certificate_status is OCSPCertStatus.GOOD
    assert after.this_update_utc > before.this_update_utc


def test_serial_that_was_never_issued_is_unknown(client, mid, root, serial):
    for issuer, number in ((mid, 0), (mid, 1), (mid, int(serial, 16) + 1), (root, serial), (mid, 1 << 1000)):
        response = verified(ocsp.post(client, ocsp.request(issuer, number)), issuer)
        assert response.certificate_status is OCSPCertStatus.UNKNOWN


def test_certificate_that_is_only_pending_is_unknown(client, installation, mid, serial):
    installation.sql("UPDATE certificates SET state = 'pending', certificate = NULL WHERE serial = ?", serial)

    assert ocsp.post(client, ocsp.request(mid, serial)).certificate_status is OCSPCertStatus.UNKNOWN


def test_certificate_that_was_given_up_is_revoked(client, installation, mid, serial):
    """It may have been signed."""
    installation.sql("UPDATE certificates SET state = 'pending', certificate = NULL WHERE serial = ?", serial)
    installation.services.signing.settle_all(installation.services.authorities)

    assert ocsp.post(client, ocsp.request(mid, serial)).certificate_status is OCSPCertStatus.REVOKED


def test_certificate_past_its_end_is_still_answered_for(client, installation, mid, serial):
    installation.clock.advance(days=800)
    installation.services.upkeep.do_due(ACTOR)

    assert ocsp.post(client, ocsp.request(mid, serial)).certificate_status is OCSPCertStatus.GOOD


def test_root_answers_for_the_cas_below_it_and_for_itself(client, mid, root):
    for certificate in (mid, root):
        response = verified(ocsp.post(client, ocsp.request(root, certificate.serial_number)), root)
        assert response.certificate_status is OCSPCertStatus.GOOD


def test_foreign_issuer_is_unauthorized(client):
    assert ocsp.post(client, ocsp.request(authority().certificate, 1)).response_status is UNAUTHORIZED


def test_issuer_with_our_name_and_another_key_is_unauthorized(client, mid, serial):
    der = ocsp.request(mid, serial)
    key_hash = extension(mid, x509.SubjectKeyIdentifier).digest

    assert ocsp.post(client, der.replace(key_hash, bytes(20))).response_status is UNAUTHORIZED


def test_hash_algorithm_that_is_not_known_is_unauthorized(client, mid, serial):
    der = ocsp.request(mid, serial)
    assert b"\x2b\x0e\x03\x02\x1a" in der

    assert ocsp.post(client, der.replace(b"\x2b\x0e\x03\x02\x1a", b"\x2b\x0e\x03\x02\x1b")).response_status is (
        UNAUTHORIZED
    )


@pytest.mark.parametrize("length", [1, 16, 32, 127, 128])
def test_nonce_is_echoed(client, mid, serial, length):
    nonce = (NONCE * 4)[:length]

    response = verified(ocsp.post(client, ocsp.request(mid, serial, nonce=nonce)), mid)

    assert nonce_of(response) == nonce
    assert nonce_of(ocsp.post(client, ocsp.request(mid, serial))) is None


@pytest.mark.parametrize("length", [0, 129, 1000])
def test_nonce_of_no_legal_length_is_malformed(client, mid, serial, length):
    assert ocsp.post(client, ocsp.request(mid, serial, nonce=bytes(length))).response_status is MALFORMED


def test_critical_extension_is_malformed_and_another_one_ignored(client, mid, serial):
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")

    def ask(*, critical: bool):
        return ocsp.post(client, ocsp.request(mid, serial, extensions=((unknown, critical),))).response_status

    assert (ask(critical=True), ask(critical=False)) == (MALFORMED, SUCCESSFUL)


def tlv(tag: int, content: bytes) -> bytes:
    length = bytes([len(content)]) if len(content) < 128 else bytes([0x81, len(content)])
    return bytes([tag]) + length + content


def test_signature_of_the_asker_is_ignored(client, mid, serial):
    tbs = ocsp.request(mid, serial)[2:]
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    signature = tlv(0xA0, tlv(0x30, algorithm + tlv(0x03, b"\x00no signature at all")))

    assert ocsp.post(client, tlv(0x30, tbs + signature)).response_status is SUCCESSFUL


def test_two_certificates_in_a_request_are_malformed(client, mid, serial):
    single = ocsp.request(mid, serial)[6:]  # within OCSPRequest, TBSRequest and requestList

    def asking(singles: bytes) -> bytes:
        return tlv(0x30, tlv(0x30, tlv(0x30, singles)))

    assert ocsp.post(client, asking(single)).response_status is SUCCESSFUL
    assert ocsp.post(client, asking(single + single)).response_status is MALFORMED


def test_negative_serial_is_malformed(client, mid):
    der = ocsp.request(mid, 5)
    assert der.endswith(b"\x02\x01\x05")

    assert ocsp.post(client, der[:-1] + b"\xfb").response_status is MALFORMED


def test_request_cut_at_any_place_is_malformed(client, mid, serial):
    der = ocsp.request(mid, serial, nonce=NONCE)

    for end in range(len(der)):
        assert ocsp.post(client, der[:end]).response_status is MALFORMED
    assert ocsp.post(client, der + b"\x00").response_status is MALFORMED


@pytest.mark.parametrize("size", [1, 100, 1000, 4000, 8192])
@pytest.mark.parametrize("octet", [b"\x00", b"\x30", b"\x80", b"\xff"])
def test_garbage_of_any_size_is_malformed(client, size, octet):
    assert ocsp.post(client, octet * size).response_status is MALFORMED


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_octets_changed_at_random_get_an_ocsp_response(client, mid, serial, data):
    der = bytearray(ocsp.request(mid, serial, nonce=NONCE))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(1, len(der) - 1))] = data.draw(st.integers(0, 255))

    for response in (ocsp.post(client, bytes(der)), ocsp.get(client, bytes(der))):
        assert response.response_status is not OCSPResponseStatus.INTERNAL_ERROR


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=300))
def test_any_path_gets_an_answer_that_is_no_5xx(client, text):
    assert client.get("/ocsp/" + text).status_code in {200, 404, 405}


def test_body_that_is_too_long_is_refused_before_it_is_parsed(client):
    assert client.post("/ocsp", data=b"0" * 8193, content_type=ocsp.TYPE).status_code == 413


@pytest.mark.parametrize("content_type", ["application/json", "", "application/ocsp-response"])
def test_body_of_another_type_is_refused(client, mid, serial, content_type):
    assert client.post("/ocsp", data=ocsp.request(mid, serial), content_type=content_type).status_code == 415


def test_compressed_body_is_refused(client):
    answer = client.post("/ocsp", data=b"x", content_type=ocsp.TYPE, headers={"Content-Encoding": "gzip"})

    assert answer.status_code == 415


# GET


def request_with(issuer, what: str) -> bytes:
    """A request whose base64 ends with a character, or has two slashes within."""
    for number in range(6000):
        der = ocsp.request(issuer, (1 << 8 * (9 + number % 3)) + number * 0xFFF3)
        text = base64.b64encode(der).decode()
        if what in text if what == "//" else text.endswith(what):
            return der
    raise AssertionError(what)


@pytest.mark.parametrize("ending", ["/", "+", "//"])
@pytest.mark.parametrize("safe", ["", "/", "/+", "/+="], ids=["all", "not slash", "not slash, plus", "none"])
def test_request_in_the_path_may_be_percent_encoded_or_not(client, mid, ending, safe):
    der = request_with(mid, ending)
    text = base64.b64encode(der).decode()
    for character in "+/=":
        text = text if character in safe else text.replace(character, f"%{ord(character):02X}")

    response = ocsp.parsed(client.get("/ocsp/" + text))

    assert response.response_status is SUCCESSFUL
    assert f"{response.serial_number:x}" in der.hex()


@pytest.mark.parametrize("text", ["!", "MEQ", "MEQwQ", "ME QwQ===", "%00", "=", "MEQw\xe9"])
def test_path_that_is_not_base64_is_malformed(client, text):
    assert ocsp.parsed(client.get(f"/ocsp/{text}")).response_status is MALFORMED


def test_get_without_a_request_is_not_allowed(client):
    answer = client.get("/ocsp")

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


def test_answer_to_get_may_be_kept_for_a_short_time(client, installation, mid, serial):
    answer = client.get(ocsp.path_of(ocsp.request(mid, serial)))

    now = installation.clock.now.replace(microsecond=0)
    assert answer.headers["Cache-Control"] == "max-age=30, public, no-transform, must-revalidate"
    assert answer.last_modified == ocsp.parsed(answer).this_update_utc == now
    assert answer.expires.replace(tzinfo=UTC) == now + timedelta(seconds=30)
    assert answer.headers["ETag"]


def test_no_cache_keeps_an_answer_past_its_end(client, installation, mid, serial):
    path = ocsp.path_of(ocsp.request(mid, serial))
    (responder,) = ocsp.parsed(client.get(path)).certificates
    for seconds, header in ((20, "max-age=20,"), (0, "no-store")):
        installation.clock.now = responder.not_valid_after_utc - timedelta(seconds=seconds)
        assert client.get(path).headers["Cache-Control"].startswith(header)


def test_who_has_the_answer_gets_not_modified_until_the_status_changes(client, mid, serial, change):
    path = ocsp.path_of(ocsp.request(mid, serial))
    first = client.get(path)
    have = {"If-None-Match": first.headers["ETag"], "If-Modified-Since": first.headers["Last-Modified"]}
    again = client.get(path, headers=have)
    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", first.headers["ETag"])

    change(RevocationReason.CERTIFICATEHOLD)
    held = client.get(path, headers=have)
    assert (held.status_code, ocsp.parsed(held).certificate_status) == (200, OCSPCertStatus.REVOKED)
    change(RevocationReason.NOTREVOKED)
    released = client.get(path, headers={"If-None-Match": held.headers["ETag"]})
    assert ocsp.parsed(released).certificate_status is OCSPCertStatus.GOOD


def test_date_alone_hides_no_revocation(client, mid, serial, change):
    path = ocsp.path_of(ocsp.request(mid, serial))
    date = client.get(path).headers["Last-Modified"]
    change(RevocationReason.KEYCOMPROMISE)

    answer = client.get(path, headers={"If-Modified-Since": date})

    assert ocsp.parsed(answer).certificate_status is OCSPCertStatus.REVOKED


def test_two_processes_give_answers_of_one_tag(client, installation, mid, serial):
    other = installation.open().services
    path = ocsp.path_of(ocsp.request(mid, serial))
    answers = [client.get(path), create_app(other).test_client().get(path)]
    other.database.close()

    assert answers[0].data != answers[1].data
    assert answers[0].headers["ETag"] == answers[1].headers["ETag"]


def test_what_a_cache_must_not_keep_is_marked(client, mid, serial):
    good, unknown = ocsp.request(mid, serial), ocsp.request(mid, 1)
    foreign, nonce = ocsp.request(authority().certificate, 1), ocsp.request(mid, serial, nonce=NONCE)
    answers = [client.get(ocsp.path_of(der)) for der in (unknown, foreign, nonce, b"x")]
    answers += [client.post("/ocsp", data=good, content_type=ocsp.TYPE)]

    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert not any({"ETag", "Last-Modified", "Expires"} & set(answer.headers.keys()) for answer in answers)


def test_caching_is_switched_off_by_a_setting(make_installation):
    installation = make_installation(MIDCA_OCSP_MAX_AGE="0")
    mid = installation.services.authorities.named("IOTmidCA").certificate
    installation.add()
    serial = installation.sign("f60c28", "dojot", one_line(csr())).serial

    answer = create_app(installation.services).test_client().get(ocsp.path_of(ocsp.request(mid, serial)))

    assert answer.headers["Cache-Control"] == "no-store"


# in the process


def test_answer_without_a_nonce_is_signed_once_and_with_one_anew(client, mid, serial):
    plain, nonce = ocsp.request(mid, serial), ocsp.request(mid, serial, nonce=NONCE)

    assert ocsp.post(client, plain).signature == ocsp.post(client, plain).signature
    assert ocsp.post(client, nonce).signature != ocsp.post(client, nonce).signature


def test_no_answer_from_before_the_clock_was_set_back_is_of_a_time_to_come(client, installation, mid, serial):
    request = ocsp.request(mid, serial)
    installation.clock.now = installation.clock.now.replace(minute=25) + timedelta(days=1)
    assert ocsp.post(client, request).this_update_utc <= installation.clock.now

    installation.clock.advance(minutes=-20)

    assert ocsp.post(client, request).this_update_utc <= installation.clock.now


def test_answer_is_signed_anew_at_half_its_life(client, installation, mid, serial):
    first = ocsp.post(client, ocsp.request(mid, serial))
    for minutes in range(31):
        installation.clock.now = first.this_update_utc + timedelta(minutes=minutes)
        response = ocsp.post(client, ocsp.request(mid, serial))
        assert response.next_update_utc - installation.clock.now >= timedelta(minutes=30)

    assert response.signature != first.signature


def test_numbers_a_stranger_thinks_of_do_not_fill_the_cache(client, installation, mid, serial):
    ocsp.post(client, ocsp.request(mid, serial))
    for number in range(1, 50):
        ocsp.post(client, ocsp.request(mid, number))

    assert installation.services.ocsp._signed_before.cache_info().currsize == 1


def test_database_that_cannot_be_read_is_try_later(client, installation, mid, serial):
    with installation.without_database():
        assert ocsp.post(client, ocsp.request(mid, serial)).response_status is TRY_LATER


def test_fault_in_the_program_is_an_internal_error_and_logged(client, mid, serial, monkeypatch, caplog):
    def fail(*_args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(Ocsp, "status", fail)
    with caplog.at_level(logging.ERROR, "midca.request"):
        response = ocsp.post(client, ocsp.request(mid, serial))

    assert response.response_status is OCSPResponseStatus.INTERNAL_ERROR
    assert "unexpected error in OCSP" in caplog.text


def test_responders_certificate_is_no_end_entitys(client, installation, admin, mid, serial):
    (responder,) = ocsp.post(client, ocsp.request(mid, serial)).certificates
    path = f"/ca/IOTmidCA/certificate/{responder.serial_number:X}"

    assert "OCSP responder" in client.delete(path, headers=admin).json["message"]
    assert ocsp.post(client, ocsp.request(mid, responder.serial_number)).certificate_status is OCSPCertStatus.GOOD
    for name in ("IOTmidCA", "IOTmidCA/OCSP", "IOTmidCA%2FOCSP"):
        assert client.get(f"/user/{name}/find?valid=false", headers=admin).status_code == 404
    assert client.post("/user", json={"username": "IOTmidCA/OCSP"}, headers=admin).status_code == 400
    own = installation.services.certificates.own_of_authority("IOTmidCA")
    assert own.certificate == mid.public_bytes(Encoding.DER)


def test_key_of_a_responder_is_nobody_elses(client, installation):
    installation.add("IOTmidCA")
    responders = installation.services.ocsp.responders
    private = responders.current(installation.services.authorities.named("IOTmidCA")).key
    body = {"passwd": "dojot", "certificate": one_line(csr(signing_key=private))}

    answer = client.post("/sign/IOTmidCA/pkcs10", json=body)

    assert answer.status_code == 400
    assert "key" in answer.json["message"]
