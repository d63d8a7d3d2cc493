"""Who may call what."""

import re

import pytest

from app.http_access import ACCESS, Access
from app.web import create_app
from tests.conftest import ACTOR

OPEN = {Access.PUBLIC, Access.ENTITY_PASSWORD, Access.ENTITY_HOLDER}
CLOSED = sorted(route for route, access in ACCESS.items() if access not in OPEN)
FOR_REGISTRARS = sorted(route for route, access in ACCESS.items() if access is Access.REGISTRAR)
INSIDE, OUTSIDE = {"REMOTE_ADDR": "10.1.2.3"}, {"REMOTE_ADDR": "11.1.2.3"}


def path_of(rule: str) -> str:
    return re.sub(r"<[^>]*>", "abc", rule)


def call(client, route, **options):
    method, rule = route
    return client.open(path_of(rule), method=method, **options)


def unauthenticated(answer) -> bool:
    return (
        answer.status_code == 401
        and set(answer.json) == {"message", "status"}
        and answer.headers["WWW-Authenticate"].startswith("Bearer")
    )


def test_every_route_has_its_access_and_every_access_its_route(app):
    """A53."""
    routes = {(method, rule.rule) for rule in app.url_map.iter_rules() for method in rule.methods - {"HEAD"}}

    assert routes == set(ACCESS)


def test_route_without_an_access_is_open_to_nobody(installation, admin):
    """A53."""
    app = create_app(installation.services)
    app.add_url_rule("/forgotten", view_func=lambda: "secret", methods=["GET"])

    for headers in ({}, admin):
        answer = app.test_client().get("/forgotten", headers=headers)
        assert answer.status_code == 403
        assert "secret" not in answer.text


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": b"garbage", "content_type": "application/json"},
        {"data": b"[" * 60_000, "content_type": "application/json"},
        {"data": b"\xff", "content_type": "text/plain"},
        {"data": b"x", "content_type": "application/json", "headers": {"Content-Encoding": "gzip"}},
        {"data": b"x" * 100_000, "content_type": "application/json"},
    ],
    ids=["no body", "garbage", "nested", "no JSON", "compressed", "too large"],
)
def test_closed_route_asks_for_a_token_before_it_reads_the_body(client, route, body):
    """A53."""
    assert unauthenticated(call(client, route, **body))


@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_closed_route_answers_to_the_admin_token(client, admin, route):
    assert call(client, route, headers=admin).status_code not in {401, 403}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Basic {token}",
        "{token}",
        "Bearer {token}x",
        "Bearer x {token}",
        "Bearer {token} x",
    ],
)
def test_header_that_does_not_hold_a_good_token_is_refused(client, admin, header):
    """A55."""
    token = admin["Authorization"].removeprefix("Bearer ")

    answer = client.get("/user/abc", headers={"Authorization": header.format(token=token)})

    assert unauthenticated(answer)
    assert token not in answer.text


@pytest.mark.parametrize(
    "token",
    [
        "a" * 513,
        "a" * 60_000,
        "é",
        "bW9kZWw=.eyJ1c2VybmFtZSI6ImFkbWluIn0.c2lnbmF0dXJl",
        "eyJhbGciOiJub25lIn0.eyJ1c2VybmFtZSI6ImFkbWluIn0.",
    ],
    ids=["long", "very long", "not ASCII", "dojot's unsigned", "alg none"],
)
def test_token_that_is_none_of_ours_is_refused(client, token):
    """A55."""
    assert unauthenticated(client.get("/user/abc", headers={"Authorization": f"Bearer {token}"}))


def test_scheme_is_read_in_any_case(client, admin):
    token = admin["Authorization"].removeprefix("Bearer ")

    assert client.get("/user/abc", headers={"Authorization": f"bEARER  {token}"}).status_code == 404


def test_revoked_token_is_refused_at_once(client, admin, installation):
    assert client.get("/user/abc", headers=admin).status_code == 404
    installation.services.tokens.revoke("admin", ACTOR)

    assert unauthenticated(client.get("/user/abc", headers=admin))


def test_token_in_the_query_or_the_body_opens_nothing(client, admin):
    token = admin["Authorization"].removeprefix("Bearer ")

    assert unauthenticated(client.get(f"/user/abc?access_token={token}"))
    assert unauthenticated(client.post("/user", data={"access_token": token}))


@pytest.mark.parametrize(
    "header",
    [
        {"X-Consumer-Username": "admin"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-Forwarded-User": "admin"},
        {"X-Real-IP": "127.0.0.1"},
        {"X-Remote-User": "admin"},
        {"X-Original-URL": "/health"},
        {"X-HTTP-Method-Override": "GET"},
    ],
    ids=str,
)
def test_header_that_names_somebody_opens_nothing(client, header):
    """A39, A56."""
    assert unauthenticated(client.post("/user", headers=header))


def test_actor_of_an_act_is_the_token_and_the_address_the_sockets(client, admin, installation):
    client.post("/user", json={"username": "f60c28"}, headers=admin | {"X-Forwarded-For": "6.6.6.6"})

    entry = installation.last_audit()
    assert (entry["actor"], entry["how"], entry["address"]) == ("token admin", "bearer token", "127.0.0.1")


# MIDCA_TRUSTED_NETWORKS


@pytest.fixture
def trusting(make_installation):
    """An installation whose registrars may come from 10.0.0.0/8 and fd00::/8 without a token."""
    return make_installation(MIDCA_TRUSTED_NETWORKS="10.0.0.0/8, fd00::/8")


@pytest.fixture
def trusting_client(trusting):
    return create_app(trusting.services).test_client()


@pytest.mark.parametrize("route", FOR_REGISTRARS, ids=" ".join)
@pytest.mark.parametrize("address", ["10.0.0.1", "10.255.255.255", "::ffff:10.1.2.3", "fd00::1"])
def test_host_of_a_trusted_network_needs_no_token(trusting_client, route, address):
    answer = call(trusting_client, route, environ_base={"REMOTE_ADDR": address})

    assert answer.status_code in {200, 400, 404}


@pytest.mark.parametrize("route", FOR_REGISTRARS, ids=" ".join)
@pytest.mark.parametrize(
    "address", ["11.0.0.1", "9.255.255.255", "127.0.0.1", "::1", "::ffff:11.0.0.1", "fe80::1", "", "x"]
)
def test_host_of_another_network_needs_one(trusting_client, route, address):
    assert unauthenticated(call(trusting_client, route, environ_base={"REMOTE_ADDR": address}))


@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Client-IP", "Client-IP"])
def test_header_does_not_move_a_host_into_or_out_of_a_trusted_network(trusting_client, header):
    """A51, A56."""
    inside, outside = {header: "10.1.2.3"}, {header: "11.1.2.3"}

    assert unauthenticated(trusting_client.post("/user", headers=inside, environ_base=OUTSIDE))
    assert trusting_client.post("/user", headers=outside, environ_base=INSIDE).status_code == 400


def test_trusted_network_opens_no_route_for_admins(trusting, monkeypatch):
    monkeypatch.setitem(ACCESS, ("GET", "/user/<username>"), Access.ADMIN)

    answer = create_app(trusting.services).test_client().get("/user/abc", environ_base=INSIDE)

    assert unauthenticated(answer)


def test_trusted_network_needs_the_end_entitys_password_to_sign(trusting_client, trusting):
    trusting.add()

    answer = trusting_client.post(
        "/sign/f60c28/pkcs10", json={"passwd": "wrong", "certificate": "x"}, environ_base=INSIDE
    )

    assert answer.status_code == 400
    assert trusting.certificates() == 0


def test_act_from_a_trusted_network_is_audited_with_its_address(trusting_client, trusting):
    trusting_client.post("/user", json={"username": "f60c28"}, environ_base=INSIDE)

    entry = trusting.last_audit()
    assert (entry["actor"], entry["how"], entry["address"]) == ("trusted network", "socket address", "10.1.2.3")


def test_no_network_is_trusted_unless_it_is_named(client):
    for address in ("127.0.0.1", "10.1.2.3", "::1"):
        assert unauthenticated(client.post("/user", environ_base={"REMOTE_ADDR": address}))
