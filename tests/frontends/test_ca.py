"""``/ejbca/version``, ``/ca`` and ``/ca/<name>``."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.builders import wrapped

SEPARATOR = "\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n"
MID_DN = "CN=IOTmidCA,O=EJBCA IOT,C=SE"


def test_version_says_what_answers(client):
    answer = client.get("/ejbca/version")

    assert answer.status_code == 200
    assert set(answer.json) == {"version"}
    assert answer.json["version"].startswith("midca ")


def test_cas_are_listed_by_name_with_ejbcas_ids(client):
    answer = client.get("/ca")

    assert answer.status_code == 200
    assert set(answer.json) == {"CAs"}
    assert [entry["name"] for entry in answer.json["CAs"]] == ["IOTmidCA", "IOTrootCA"]
    assert answer.json["CAs"][0] == {"id": 576968287, "name": "IOTmidCA"}


@pytest.mark.parametrize("path", ["/ejbca/version/", "/ca/", "/ca/IOTmidCA/"])
def test_slash_at_the_end_answers_at_once(client, path):
    assert client.get(path).json == client.get(path[:-1]).json
    assert client.get(path).status_code == 200


def test_certificate_of_a_ca_is_its_chain_as_one_value(client, installation):
    answer = client.get("/ca/IOTmidCA")
    value = answer.json["certificate"]

    assert answer.status_code == 200
    assert set(answer.json) == {"certificate"}
    assert x509.load_pem_x509_certificates(wrapped(value).encode()) == list(
        installation.services.authorities.named("IOTmidCA").chain
    )


def test_value_is_base64_of_64_columns_without_outer_lines_and_newline(client, installation):
    value = client.get("/ca/IOTmidCA").json["certificate"]

    assert not value.startswith("-")
    assert not value.endswith("\n")
    parts = value.split(SEPARATOR)
    assert len(parts) == 2
    for part in parts:
        *full, last = part.split("\n")
        assert {len(line) for line in full} == {64}
        assert 0 < len(last) <= 64
        assert "-" not in part


def test_value_of_a_root_is_one_certificate(client, installation):
    value = client.get("/ca/IOTrootCA").json["certificate"]

    certificate = installation.services.authorities.named("IOTrootCA").certificate
    assert wrapped(value).encode() == certificate.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_way_clients_wrap_the_value_gives_readable_certificates(client, line_end):
    value = client.get("/ca/IOTmidCA").json["certificate"]
    text = f"-----BEGIN CERTIFICATE-----{line_end}{value}{line_end}-----END CERTIFICATE-----{line_end}"

    assert len(x509.load_pem_x509_certificates(text.encode())) == 2


@pytest.mark.parametrize(
    "name", [MID_DN, "C=SE,O=EJBCA IOT,CN=IOTmidCA", "cn=IOTmidCA, o=EJBCA IOT, c=SE", "CN=IOTmidCA", "iotMIDca"]
)
def test_ca_is_found_by_its_distinguished_name_too(client, name):
    assert client.get(f"/ca/{name}").json == client.get("/ca/IOTmidCA").json


OTHERS = [
    "CN=IOTmidCA,O=Somebody Else",
    "CN=IOTmidCA,CN=IOTrootCA",
    "CN=IOTmid",
    "CN=IOTmidCA,O=EJBCA IOT,C=SE,OU=X",
    "O=EJBCA IOT",
]
"""Names that say more than the CA's, or not which."""


@pytest.mark.parametrize("name", ["abcde", "IOTmidCA ", "x;id", "$(id)", "--help", "%", "CN=Other", "dev*", *OTHERS])
def test_ca_that_does_not_exist_is_refused_in_ejbcas_words(client, name):
    """A12, A41."""
    answer = client.get(f"/ca/{name.replace('%', '%25')}")

    assert answer.status_code == 400
    assert answer.json == {"message": f"soap message: CA with name {name} does not exist.", "status": 400}


def test_long_name_is_not_sent_back_whole(client):
    assert len(client.get("/ca/" + "a" * 1500).json["message"]) < 200


@pytest.mark.parametrize("path", ["/ejbca/version", "/ca", "/ca/IOTmidCA"])
def test_get_with_a_content_type_and_no_body_is_answered(client, path):
    answer = client.get(path, headers={"Content-Type": "application/json", "Accept": "application/json"})

    assert answer.status_code == 200


def test_answer_is_json_that_nobody_keeps(client):
    answer = client.get("/ca")

    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
