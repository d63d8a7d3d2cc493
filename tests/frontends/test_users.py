"""Many end entities in one request."""

import pytest

from app.operations.access_tokens import Grant
from app.operations.principal import Role
from app.web import create_app
from tests.builders import csr, one_line
from tests.conftest import ACTOR


def statuses(answer) -> list[int]:
    return [result["status"] for result in answer.json["users"]]


def test_each_is_registered_and_one_that_is_refused_keeps_no_other_from_its_place(client, admin, installation):
    users = [{"username": "a", "password": "first"}, {"username": "x" * 300}, {"username": "b", "password": "second"}]
    answer = client.post("/users", json={"users": users}, headers=admin)

    assert statuses(answer) == [200, 400, 200]
    assert installation.sign("a", "first", one_line(csr("a"))).serial
    assert client.get("/user/b", headers=admin).status_code == 200
    log = installation.services.signing.audit.entries()
    added = [entry["object"] for entry in log if entry["action"] == "entity.added"]
    assert added == ["a", "b"]


def test_subject_of_another_in_the_same_request_is_refused(client, admin):
    users = [{"username": name, "subjectDN": "CN=one", "endEntityProfileName": "EMPTY"} for name in ("a", "b")]
    for user in users:
        user["password"] = "secret"
    answer = client.post("/users", json={"users": users}, headers=admin)

    assert statuses(answer) == [200, 400]
    assert "same subject DN" in answer.json["users"][1]["message"]


def test_more_than_one_transaction_should_hold_is_refused_whole(client, admin):
    users = [{"username": f"device{number}"} for number in range(501)]
    assert client.post("/users", json={"users": users}, headers=admin).status_code == 400
    assert client.get("/user/device0", headers=admin).status_code == 404
    assert statuses(client.post("/users", json={"users": users[1:]}, headers=admin)) == [200] * 500


def test_made_passwords_are_told_once_and_to_no_cache(make_installation):
    installation = make_installation(MIDCA_DEFAULT_PASSWORD="random")
    headers = {"Authorization": f"Bearer {installation.settings.admin_token.read_text().strip()}"}
    body = {"users": [{"username": "a"}, {"username": "b", "password": "mine"}, {"username": "c", "caName": "none"}]}
    answer = create_app(installation.services).test_client().post("/users", json=body, headers=headers)

    assert answer.headers["Cache-Control"] == "no-store"
    made, own, refused = answer.json["users"]
    assert installation.sign("a", made["password"], one_line(csr("a"))).serial
    assert "password" not in own
    assert "password" not in refused


@pytest.mark.parametrize("body", [{}, {"users": None}, {"users": {}}, []])
def test_what_is_no_list_of_users_is_refused(client, admin, body):
    assert client.post("/users", json=body, headers=admin).status_code == 400


def test_tenants_registrar_registers_its_own_and_replaces_none_that_is_good(client, installation):
    token = installation.services.tokens.create("registrar", ACTOR, Grant(Role.REGISTRAR, "A"))
    installation.add("A:good")
    installation.sign("A:good", "dojot", one_line(csr("A:good")))
    users = [{"username": name} for name in ("A:new", "B:new", "A:good")]
    answer = client.post("/users", json={"users": users}, headers={"Authorization": f"Bearer {token}"})

    assert statuses(answer) == [200, 403, 409]
