"""``/profiles``: read and explained over HTTP, by admins alone."""

import hashlib

import pytest

from app.settings import shipped
from tests.builders import csr, one_line

REQUEST = one_line(csr())


def explain(client, admin, body, name="CFREE"):
    return client.post(f"/profiles/{name}/explain", json=body, headers=admin)


@pytest.mark.parametrize(
    ("method", "path"), [("get", "/profiles"), ("get", "/profiles/CFREE"), ("post", "/profiles/CFREE/explain")]
)
def test_profiles_are_for_admins(client, method, path):
    assert getattr(client, method)(path).status_code == 401


def test_list_names_every_profile_with_the_hash_of_its_file(client, admin):
    listed = client.get("/profiles", headers=admin).json["profiles"]

    names = ["CFREE", "X509Identity", "broker", "device-ec", "ocsp-responder", "root-ca", "sub-ca"]
    assert [profile["name"] for profile in listed] == names
    content = (shipped("profiles") / "CFREE.yaml").read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    assert listed[0] == {"name": "CFREE", "type": "end_entity", "sha256": sha256, "cas": "any"}
    assert listed[-1]["type"] == "ca"


def test_profile_is_shown_with_its_file_and_the_clause_of_each_rule(client, admin):
    shown = client.get("/profiles/CFREE", headers=admin).json

    assert shown["file"] == (shipped("profiles") / "CFREE.yaml").read_text()
    assert all(rule["rule"] and rule["clause"] for rule in shown["rules"])
    assert {"key", "validity", "subject", "alternative_names"} <= {rule["key"] for rule in shown["rules"]}


def test_explanation_tells_field_by_field_and_shows_the_certificate(client, admin, installation):
    installation.add()

    answer = explain(client, admin, {"csr": REQUEST, "entity": "f60c28"})

    assert answer.status_code == 200
    assert answer.json["outcome"] == "issued"
    assert {"field", "verdict", "reason", "key", "clause"} == set(answer.json["decisions"][0])
    assert answer.json["certificate"]["subject"] == "CN=f60c28"
    assert "Subject: CN=f60c28\n" in answer.json["text"]
    assert "Serial Number: drawn when it is signed" in answer.json["text"]
    assert "Signature Value" not in answer.json["text"]


def test_refusal_is_an_explanation_and_no_error(client, admin):
    answer = explain(client, admin, {"csr": REQUEST, "subject": "CN=f60c28"}, "device-ec")

    assert answer.status_code == 200
    assert (answer.json["outcome"], answer.json["certificate"], answer.json["text"]) == ("refused", None, None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"csr": REQUEST}, 400),
        ({"csr": REQUEST, "subject": 1}, 400),
        ({"csr": "AAAA", "subject": "CN=a"}, 400),
        ({"csr": REQUEST, "subject": "CN=a", "unknown": 1}, 400),
        ({"csr": REQUEST, "entity": "nobody"}, 404),
        ({"csr": REQUEST, "subject": "CN=a", "ca": "None"}, 404),
        ({"csr": REQUEST, "subject": "CN=a", "ca": "IOTrootCA"}, 403),
    ],
)
def test_question_that_cannot_be_answered_has_a_sentence_and_a_status(client, admin, body, status):
    answer = explain(client, admin, body)

    assert answer.status_code == status
    assert answer.json["message"]


def test_profile_that_does_not_exist_is_not_found(client, admin):
    assert client.get("/profiles/None", headers=admin).status_code == 404
    assert explain(client, admin, {"csr": REQUEST, "subject": "CN=a"}, "None").status_code == 404
