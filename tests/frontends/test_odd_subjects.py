"""A subject that the library would encode wrongly is refused when it is registered, and never met when signing."""

import pytest

from tests.builders import csr, one_line

ANY = {"endEntityProfileName": "EMPTY", "password": "dojot"}


@pytest.mark.parametrize(
    "subject",
    [
        "CN=brick,SN=ü",
        "CN=brick,SN=a_b",
        "CN=brick,SN=a@b",
        "CN=brick,SN=a*",
        "CN=brick,C=ü1",
        "CN=brick,C=**",
        "CN=brick,C=__",
        "CN=brick,E=ü@example.org",
        "CN=brick,DC=ü",
        ",".join(["CN=brick"] * 33),
    ],
)
def test_a_subject_that_cannot_be_encoded_is_refused(installation, client, admin, subject):
    answer = client.post("/user", json={"username": "brick", **ANY, "subjectDN": subject}, headers=admin)
    assert answer.status_code == 400, answer.text
    assert installation.sql("SELECT count(*) FROM end_entities") == [(0,)]


@pytest.mark.parametrize("subject", ["CN=good,SN=A-1 (b)/c", "CN=good,C=SE", "CN=good,E=a@example.org", "CN=good,DC=x"])
def test_a_subject_that_can_is_signed_and_read_back(client, admin, subject):
    body = {"username": "good", **ANY, "subjectDN": subject}
    assert client.post("/user", json=body, headers=admin).status_code == 200
    body = {"passwd": "dojot", "certificate": one_line(csr())}
    assert client.post("/sign/good/pkcs10", json=body).status_code == 200


@pytest.mark.parametrize("subject", ["cn=iotmidca,O=EJBCA  IOT,C=se", "CN=IOTMIDCA,O=ejbca iot,C=SE"])
def test_the_subject_of_a_ca_is_refused_however_it_is_written(client, admin, subject):
    answer = client.post("/user", json={"username": "imposter", "subjectDN": subject}, headers=admin)
    assert answer.json["message"] == "soap message: User 'imposter' is not allowed to use the subject of a CA."
