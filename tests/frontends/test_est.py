"""Enrolment over Secure Transport (RFC 7030), without the network: whom it answers, and with what."""

import base64

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AttributeOID

from app.pki.end_entity import EndEntityStatus
from tests.builders import csr, key, one_line
from tests.frontends.est import EST, basic, certificates, challenged, enrol, refused

# CA certificates


def test_cacerts_are_the_certificates_of_all_cas(client, installation):
    found = certificates(client.get(f"{EST}/cacerts"))

    assert set(found) == {ca.certificate for ca in installation.services.authorities}
    assert len(found) == 2


# Enrolment


def test_device_enrols_with_name_and_password(client, installation):
    installation.add()

    (certificate,) = certificates(enrol(client, headers=basic()))

    assert certificate.public_key() == key().public_key()
    assert installation.services.end_entities.find("f60c28").status is EndEntityStatus.GENERATED
    entry = installation.last_audit()
    assert (entry["actor"], entry["how"], entry["action"]) == ("anonymous", "entity_password", "certificate.issued")


def test_same_request_gets_the_same_certificate_again(client, installation):
    installation.add()

    assert certificates(enrol(client, headers=basic())) == certificates(enrol(client, headers=basic()))


def test_request_may_be_pem_and_base64_in_lines(client, installation):
    for name, body in (
        ("pem", csr().public_bytes(Encoding.PEM)),
        ("lines", base64.encodebytes(csr(signing_key=key(1)).public_bytes(Encoding.DER))),
    ):
        installation.add(name)
        assert certificates(enrol(client, request=body, headers=basic(name)))


@pytest.mark.parametrize("operation", ["simpleenroll", "simplereenroll"])
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Basic"},
        {"Authorization": "Basic !!"},
        {"Authorization": "Basic Zm9v"},
        {"Authorization": "Digest username=f60c28"},
        {"Authorization": "Basic " + base64.b64encode(b":dojot").decode()},
    ],
    ids=["nothing", "empty", "no base64", "no colon", "another scheme", "no name"],
)
def test_who_names_nobody_is_asked_for_name_and_password(client, installation, operation, headers):
    installation.add()

    assert challenged(enrol(client, operation=operation, headers=headers)).startswith("Name and password")
    assert installation.certificates() == 0


def test_wrong_password_is_counted_and_asked_for_again(client, installation):
    installation.add()

    for _ in range(6):
        assert "invalid password" in challenged(enrol(client, headers=basic(password="wrong")))

    locked = enrol(client, headers=basic())
    assert "try again in" in refused(locked, 429)
    assert int(locked.headers["Retry-After"]) > 0
    assert installation.last_audit()["result"] == "WrongPassword"


@pytest.mark.parametrize("name", ["admin:f60c28", "50%", "%3A", "naïve name"])
def test_name_is_percent_encoded(client, installation, name):
    installation.add(name)

    (certificate,) = certificates(enrol(client, headers=basic(name)))

    assert certificate.subject.rfc4514_string() == f"CN={name}"


def test_unknown_name_and_spent_password_are_told_as_everywhere(client, installation):
    assert challenged(enrol(client, headers=basic("nobody"))) == "Wrong username or password"
    installation.add()
    certificates(enrol(client, headers=basic()))

    another = enrol(client, request=one_line(csr("f60c28", signing_key=key(1))), headers=basic())

    assert refused(another, 400).startswith("Got request with status GENERATED")


@pytest.mark.parametrize("kind", ["application/json", "application/octet-stream", "text/plain"])
def test_body_of_another_type_is_refused(client, installation, kind):
    installation.add()

    answer = enrol(client, headers=basic() | {"Content-Type": kind})

    assert refused(answer, 415) == "The body must be of the type application/pkcs10."


@pytest.mark.parametrize("body", [b"", b"garbage", b"\xff\xfe", csr().public_bytes(Encoding.DER)])
def test_body_that_is_no_request_is_refused(client, installation, body):
    installation.add()

    assert refused(enrol(client, request=body, headers=basic()), 400)
    assert installation.services.end_entities.find("f60c28").status is EndEntityStatus.NEW


def test_request_that_is_linked_to_a_session_that_does_not_end_here_is_refused(client, installation):
    installation.add()
    linked = x509.CertificateSigningRequestBuilder().subject_name(csr("f60c28").subject)
    linked = linked.add_attribute(AttributeOID.CHALLENGE_PASSWORD, b"dojot").sign(key(), hashes.SHA256())

    assert "tls-unique" in refused(enrol(client, request=one_line(linked), headers=basic()), 400)
    assert installation.last_audit()["object"] == "f60c28"
    assert installation.sign("f60c28", "dojot", one_line(linked)), "to EJBCA it says nothing"


def test_document_tells_of_a_key_that_is_another_holders_and_a_profile_that_is_gone(client, installation):
    installation.add()
    installation.add("another")
    certificates(enrol(client, headers=basic("another")))

    assert "same key as another user" in refused(enrol(client, headers=basic()), 409)
    installation.sql("UPDATE end_entities SET certificate_profile = 'gone'")
    assert "profile gone does not exist" in refused(enrol(client, headers=basic()), 404)
    for operation in ("simpleenroll", "simplereenroll"):
        described = client.get("/openapi.json").json["paths"][f"{EST}/{operation}"]["post"]
        assert {"404", "409"} <= described["responses"].keys()


@pytest.mark.parametrize("operation", ["serverkeygen", "fullcmc", "IOTmidCA/simpleenroll"])
def test_what_is_optional_is_not_there(client, operation):
    refused(enrol(client, operation=operation, headers=basic()), 404)
    refused(client.get(f"{EST}/csrattrs"), 404)
