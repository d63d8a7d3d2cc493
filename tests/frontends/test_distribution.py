"""``/pki/<file>``, held against openssl as a second reader."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, one_line
from tests.conftest import ACTOR, require_tool, run


@pytest.fixture
def device(installation, tmp_path):
    installation.add()
    issued = installation.sign("f60c28", "dojot", one_line(csr()))
    path = tmp_path / "device.crt"
    path.write_bytes(issued.certificate.public_bytes(Encoding.PEM))
    return issued.serial, path


def verify(client, tmp_path, certificate):
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(client.get("/pki/IOTmidCA.bundle.pem").data)
    openssl = require_tool("openssl")
    return run(openssl, "verify", "-x509_strict", "-crl_check_all", "-CAfile", bundle, "-CRLfile", bundle, certificate)


def test_who_has_the_bundle_gets_it_anew_when_a_ca_was_renewed(installation, client):
    installation.clock.advance(hours=1)
    had = client.get("/pki/IOTmidCA.bundle.pem")

    installation.services.renewal.renew("IOTmidCA", ACTOR)
    installation.services.database.close()
    installation.services = installation.open().services
    client = create_app(installation.services).test_client()

    for condition in ({"If-None-Match": had.headers["ETag"]}, {"If-Modified-Since": had.headers["Last-Modified"]}):
        got = client.get("/pki/IOTmidCA.bundle.pem", headers=condition)
        assert got.status_code == 200
        assert got.data != had.data


def test_the_bundle_lets_openssl_check_revocation_of_the_whole_chain(installation, client, tmp_path, device):
    serial, certificate = device
    assert verify(client, tmp_path, certificate).returncode == 0
    installation.services.revocation.change("IOTmidCA", serial, RevocationReason.KEYCOMPROMISE, ACTOR)
    installation.services.revocation_lists.issue_due(ACTOR)
    assert "certificate revoked" in verify(client, tmp_path, certificate).stderr


def test_each_form_is_what_its_name_says(installation, client):
    mid = installation.services.authorities.named("IOTmidCA")
    assert x509.load_der_x509_certificate(client.get("/pki/IOTmidCA.crt").data) == mid.certificate
    assert tuple(x509.load_pem_x509_certificates(client.get("/pki/IOTmidCA.pem").data)) == mid.chain
    der = client.get("/pki/IOTmidCA.crl")
    assert der.mimetype == "application/pkix-crl"
    assert x509.load_der_x509_crl(der.data) == x509.load_pem_x509_crl(client.get("/pki/IOTmidCA.crl.pem").data)


@pytest.mark.parametrize("header", ["ETag", "Last-Modified"])
def test_who_has_the_file_gets_not_modified(client, header):
    first = client.get("/pki/IOTmidCA.crl")
    condition = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}[header]
    second = client.get("/pki/IOTmidCA.crl", headers={condition: first.headers[header]})
    assert (second.status_code, second.data) == (304, b"")


def test_who_asks_for_a_file_that_is_gone_gets_a_refusal_and_not_the_next_one(client):
    answer = client.get("/pki/IOTmidCA.crl", headers={"If-Match": '"another"'})
    assert (answer.status_code, answer.json["status"]) == (412, 412)
    assert "ETag" not in answer.headers


def test_who_asks_for_whatever_there_is_gets_it(client):
    tag = client.get("/pki/IOTmidCA.crl").headers["ETag"]
    for wanted in ("*", tag, f'"another", {tag}'):
        assert client.get("/pki/IOTmidCA.crl", headers={"If-Match": wanted}).status_code == 200


def test_a_new_list_is_a_new_etag(installation, client):
    first = client.get("/pki/IOTmidCA.crl")
    installation.services.revocation_lists.issue(installation.services.authorities.named("IOTmidCA"), ACTOR)
    second = client.get("/pki/IOTmidCA.crl", headers={"If-None-Match": first.headers["ETag"]})
    assert second.status_code == 200
    assert second.headers["ETag"] != first.headers["ETag"]


def test_who_has_the_list_costs_nothing_of_its_size(installation, client, monkeypatch):
    tag = client.get("/pki/IOTmidCA.bundle.pem").headers["ETag"]
    monkeypatch.setattr(type(installation.services.revocation_lists), "latest", None)  # reading its bytes would fail
    assert client.get("/pki/IOTmidCA.bundle.pem", headers={"If-None-Match": tag}).status_code == 304


def test_two_lists_of_one_second_have_dates_of_their_own(installation, client):
    first = client.get("/pki/IOTmidCA.crl")
    installation.services.revocation_lists.issue(installation.services.authorities.named("IOTmidCA"), ACTOR)
    second = client.get("/pki/IOTmidCA.crl", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert second.status_code == 200


def test_a_cache_does_not_keep_a_revocation_from_being_seen(client):
    assert client.get("/pki/IOTmidCA.crl").headers["Cache-Control"] == "public, max-age=60, must-revalidate"


@pytest.mark.parametrize("file", ["nope.crl", "IOTmidCA", "IOTmidCA.exe", "..%2fkeys%2fIOTmidCA.pem", ".pem"])
def test_another_file_is_refused(client, file):
    assert client.get(f"/pki/{file}").status_code == 404
