"""Callers with a token of an OpenID Connect provider; the provider is a real HTTP server."""

import base64
import json
import shutil
import threading

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.operations import signing_keys
from app.web import create_app
from tests.builders import csr, key, one_line
from tests.conftest import Installation
from tests.identity_provider import IdentityProvider, jwk, signed

REQUEST = one_line(csr())


@pytest.fixture
def provider():
    with IdentityProvider() as running:
        yield running


@pytest.fixture
def make_client(make_installation, provider):
    """An installation that knows the provider, and its client; the provider's keys have a clock to be moved."""

    def make(**settings):
        installation = make_installation(**provider.settings | settings)
        client = create_app(installation.services).test_client()
        client.installation = installation
        client.seconds = 0.0
        installation.settings.access.provider.keys._clock = lambda: client.seconds
        return client

    return make


@pytest.fixture
def client(make_client):
    return make_client()


@pytest.fixture(scope="module")
def asked(data_template, tmp_path_factory):
    """A client and a provider for all questions that change nothing."""
    base = tmp_path_factory.mktemp("openid") / "installation"
    shutil.copytree(data_template, base)
    with IdentityProvider() as provider:
        installation = Installation(base, **provider.settings)
        client = create_app(installation.services).test_client()
        client.installation = installation
        yield client, provider
        installation.services.database.close()


def get(client, token, path="/user/A:f60c28"):
    return client.get(path, headers={"Authorization": f"Bearer {token}"})


def refused(answer) -> bool:
    return answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_realm_admin_is_the_registrar_of_the_realm(client, provider):
    headers = {"Authorization": f"Bearer {provider.token('A', 'admin', 'user')}"}

    assert client.post("/user", json={"username": "A:f60c28"}, headers=headers).status_code == 200
    assert client.get("/user/A:f60c28", headers=headers).status_code == 200
    assert client.get("/user/B:f60c28", headers=headers).status_code == 403
    assert client.put("/ca/IOTmidCA/crl", headers=headers).status_code == 403
    entry = client.installation.last_audit()
    assert (entry["actor"], entry["how"], entry["actor_tenant"]) == ("user alice", "OpenID Connect", "A")


def test_each_realm_has_its_own_keys(client, provider):
    assert get(client, provider.token("B"), "/user/B:f60c28").status_code == 404
    stolen = signed(provider.claims("A"), provider.keys["B"]["b1"], kid="b1")
    assert refused(get(client, stolen))
    assert [path.split("/")[2] for path in provider.asked] == ["B", "A"]


@pytest.mark.parametrize(
    ("private_key", "algorithm"),
    [
        (key(12), "RS512"),
        (key(12), "PS256"),
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_algorithms_of_public_keys_are_taken(client, provider, private_key, algorithm):
    provider.body = json.dumps({"keys": [jwk("k", private_key, algorithm)]}).encode()

    assert get(client, signed(provider.claims(), private_key, algorithm, kid="k")).status_code == 404


# Tokens that are no good


def public_pem(private_key) -> bytes:
    return private_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def by_hand(header: dict, claims: dict | bytes, signature: bytes = b"") -> str:
    body = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    parts = (json.dumps(header).encode(), body, signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def hmac_by_public_key(provider, algorithm="HS256") -> str:
    """The public key as the secret of an HMAC, which PyJWT would not sign with itself."""
    hmac = jwt.get_algorithm_by_name(algorithm)
    token = by_hand({"alg": algorithm, "kid": "a1", "typ": "JWT"}, provider.claims())
    signature = hmac.sign(token.rpartition(".")[0].encode(), public_pem(provider.keys["A"]["a1"]))
    return token + base64.urlsafe_b64encode(signature).rstrip(b"=").decode()


def elsewhere(provider, **header) -> str:
    """A token that names a key of the attacker's, and where it is to be had."""
    mine = key(13)
    return signed(provider.claims(), mine, **{"kid": "mine", **header})


HOUR = 3600
BAD = {
    "alg none": lambda p: by_hand({"alg": "none", "kid": "a1"}, p.claims()),
    "alg None": lambda p: by_hand({"alg": "None", "kid": "a1"}, p.claims()),
    "alg missing": lambda p: by_hand({"kid": "a1"}, p.claims()),
    "alg a list": lambda p: by_hand({"alg": ["RS256"], "kid": "a1"}, p.claims()),
    "HS256 with the public key": hmac_by_public_key,
    "HS512 with the public key": lambda p: hmac_by_public_key(p, "HS512"),
    "another algorithm than the key's": lambda p: signed(p.claims(), p.keys["A"]["a1"], "PS256", kid="a1"),
    "expired": lambda p: p.token(exp=p.claims()["exp"] - HOUR),
    "without an end": lambda p: p.token(exp=None),
    "an end that is text": lambda p: p.token(exp="tomorrow"),
    "not good yet": lambda p: p.token(nbf=p.claims()["exp"] + HOUR),
    "another audience": lambda p: p.token(aud="account"),
    "no audience": lambda p: p.token(aud=None),
    "another issuer": lambda p: p.token(iss="https://evil.example/realms/A"),
    "an issuer behind the right one": lambda p: p.token(iss=f"{p.url}/realms/A/../B"),
    "an issuer with the right one in it": lambda p: p.token(iss=f"https://evil.example/?{p.url}/realms/A"),
    "an issuer that is a path": lambda p: p.token(iss=f"{p.url}/realms/.."),
    "an issuer with a newline": lambda p: p.token(iss=f"{p.url}/realms/A\n"),
    "no issuer": lambda p: p.token(iss=None),
    "issuers": lambda p: by_hand({"alg": "RS256", "kid": "a1"}, p.claims(iss=[f"{p.url}/realms/A"])),
    "a realm that is not there": lambda p: signed(p.claims("C"), key(10), kid="a1"),
    "jku": lambda p: elsewhere(p, jku=f"{p.url}/evil/jwks"),
    "x5u": lambda p: elsewhere(p, x5u=f"{p.url}/evil/x5u"),
    "jwk": lambda p: elsewhere(p, jwk=jwk("mine", key(13))),
    "kid of a path": lambda p: elsewhere(p, kid="../../x"),
    "kid of another's": lambda p: elsewhere(p, kid="a1"),
    "kid that is no text": lambda p: by_hand({"alg": "RS256", "kid": {"a1": 1}}, p.claims()),
    "no kid": lambda p: signed(p.claims(), p.keys["A"]["a1"]),
    "a critical extension": lambda p: by_hand({"alg": "RS256", "kid": "a1", "crit": ["x"], "x": 1}, p.claims()),
    "no signature": lambda p: p.token().rpartition(".")[0] + ".",
    "a signature too few": lambda p: p.token()[:-4],
    "other claims under the signature": lambda p: swapped(p.token(), p.claims("A", "admin", sub="x")),
    "an ID token": lambda p: p.token(typ="ID"),
    "a refresh token": lambda p: p.token(typ="Refresh"),
    "no name": lambda p: p.token(preferred_username=None, sub=None),
    "a megabyte": lambda p: p.token(sub="x" * 1_000_000),
    "claims a list": lambda _: by_hand({"alg": "RS256", "kid": "a1"}, b"[]"),
    "claims nested": lambda _: by_hand({"alg": "RS256", "kid": "a1"}, b"[" * 5000),
    "header nested": lambda _: ".".join([base64.urlsafe_b64encode(b"[" * 3000).decode(), "e30", ""]),
    "dojot's unsigned": lambda _: ".".join(
        base64.b64encode(part).decode()
        for part in (b"model", b'{"service": "A", "username": "admin", "profile": "admin"}', b"signature")
    ),
    "garbage": lambda _: "garbage",
    "dots": lambda _: "..",
    "five parts": lambda p: p.token() + ".x.y",
    "one of ours that is none": lambda _: "midca_" + "x" * 43,
}


def swapped(token: str, claims: dict) -> str:
    header, _, signature = token.split(".")
    return ".".join([header, base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode(), signature])


@pytest.mark.parametrize("make", BAD.values(), ids=BAD)
def test_token_that_is_no_good_is_refused(asked, caplog, make):
    """A55."""
    client, provider = asked
    token = make(provider)

    answer = client.post("/user", data=b"{", content_type="text/x", headers={"Authorization": f"Bearer {token}"})

    assert refused(answer)
    assert not [path for path in provider.asked if not path.startswith(("/realms/A/", "/realms/C/"))]
    assert len(token) < 10 or token[:200] not in caplog.text + answer.text


def test_token_with_a_short_key_is_refused(client, provider):
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 -- what must not be taken
    provider.body = json.dumps({"keys": [jwk("k", short)]}).encode()
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(provider.claims(), short, kid="k")

    assert refused(get(client, token))


def test_names_of_logs_are_no_secret_of_the_token(client, provider, caplog):
    caplog.set_level("DEBUG")
    token = provider.token()
    get(client, token)

    assert token not in caplog.text


@pytest.mark.parametrize("name", ["a\nb", "x" * 300, " a", "\u202e", "", 5, None], ids=ascii)
def test_name_that_no_log_could_hold_is_replaced_by_the_id(asked, name):
    client, provider = asked
    token = provider.token(preferred_username=name)
    client.post("/user", json={"username": "A:x"}, headers={"Authorization": f"Bearer {token}"})

    assert client.installation.last_audit()["actor"] == f"user {provider.claims()['sub']}"


# Roles and tenants


def test_caller_without_a_role_may_do_nothing_but_what_anyone_may(asked):
    client, provider = asked
    token = provider.token("A", "user")

    assert get(client, token).status_code == 403
    assert get(client, token, "/ca/IOTmidCA").status_code == 200


def test_auditor_of_a_realm_reads_its_end_entities(asked):
    client, provider = asked
    token = provider.token("A", "auditor")

    assert get(client, token).status_code == 404
    assert get(client, token, "/user/B:x").status_code == 403
    assert client.post("/user", json={}, headers={"Authorization": f"Bearer {token}"}).status_code == 403


def test_admin_of_the_tenant_that_runs_the_ca_is_an_admin(make_client, provider):
    client = make_client(MIDCA_ADMIN_TENANT="A")

    assert get(client, provider.token("A"), "/user/B:x").status_code == 404
    headers = {"Authorization": f"Bearer {provider.token('A')}"}
    assert client.put("/ca/IOTmidCA/crl", headers=headers).status_code == 200
    assert get(client, provider.token("B"), "/user/A:x").status_code == 403


def test_roles_go_by_the_names_that_are_set(make_client, provider):
    client = make_client(MIDCA_AUTH_ROLES="ca-team=registrar, support=auditor")

    assert get(client, provider.token("A", "ca-team")).status_code == 404
    assert get(client, provider.token("A", "support")).status_code == 404
    assert get(client, provider.token("A", "admin")).status_code == 403


@pytest.mark.parametrize(
    "roles", [None, "x", 5, {"roles": ["admin"]}, [["admin"]], [{"a": 1}], ["Admin", "admin "]], ids=str
)
def test_roles_of_another_shape_are_none(asked, roles):
    client, provider = asked
    assert get(client, provider.token(realm_access={"roles": roles})).status_code == 403


def test_one_realm_for_all_gives_roles_for_all_tenants(make_client, provider):
    client = make_client(MIDCA_OIDC_ISSUER=f"{provider.url}/realms/A")

    assert get(client, provider.token("A", "auditor"), "/user/B:x").status_code == 404
    assert refused(get(client, provider.token("B")))


def test_tenant_can_be_a_claim_and_must_then_be_there(make_client, provider):
    client = make_client(
        MIDCA_OIDC_ISSUER=f"{provider.url}/realms/A",
        MIDCA_OIDC_TENANT_CLAIM="dojot.tenant",
        MIDCA_OIDC_ROLES_CLAIM="https://example.org/role",
    )
    claims = {"dojot": {"tenant": "B"}, "https://example.org/role": "registrar"}

    assert get(client, provider.token(**claims), "/user/B:x").status_code == 404
    assert get(client, provider.token(**claims), "/user/A:x").status_code == 403
    for tenant in ({}, {"tenant": None}, {"tenant": ""}, {"tenant": "B:"}, {"tenant": ["B"]}, "B"):
        assert refused(get(client, provider.token(**claims | {"dojot": tenant}), "/user/B:x"))


# The provider's keys come, go, and cannot be had


def test_keys_are_asked_for_once_and_not_for_every_token(client, provider):
    for _ in range(5):
        assert get(client, provider.token()).status_code == 404

    assert len(provider.asked) == 1


def test_new_key_is_fetched_and_a_withdrawn_one_is_taken_no_more(client, provider):
    old = provider.token()
    assert get(client, old).status_code == 404
    provider.keys["A"] = {"a2": key(14)}
    client.seconds += 11

    assert get(client, provider.token()).status_code == 404
    assert refused(get(client, old))


def test_withdrawn_key_is_taken_for_five_minutes_at_most(client, provider):
    old = provider.token(exp=provider.claims()["exp"] + HOUR)
    assert get(client, old).status_code == 404
    provider.keys["A"] = {"a2": key(14)}

    client.seconds += 300
    assert get(client, old).status_code == 404
    client.seconds += 1
    assert refused(get(client, old))


def test_tokens_with_unknown_keys_do_not_make_it_ask_again_and_again(client, provider):
    get(client, provider.token())
    for number in range(20):
        assert refused(get(client, signed(provider.claims(), key(13), kid=f"x{number}")))
    client.seconds += 11
    for number in range(20):
        assert refused(get(client, signed(provider.claims(), key(13), kid=f"y{number}")))

    assert len(provider.asked) == 2


def test_realms_that_do_not_exist_are_not_remembered(client, provider):
    for number in range(10):
        assert refused(get(client, signed(provider.claims(f"X{number}"), key(13), kid="a1")))

    assert client.installation.settings.access.provider.keys._fetched == {}
    assert get(client, provider.token()).status_code == 404


def test_realm_that_tells_no_keys_keeps_the_others_out_of_nothing(client, provider):
    """Its administrators can bring that about."""
    token = signed(provider.claims("B"), key(11), kid="b1")
    provider.keys["B"] = {}
    for _ in range(3):
        assert get(client, token, "/user/B:x").status_code == 503
        assert get(client, provider.token()).status_code == 404

    assert len(provider.asked) == 2


def stop(provider):
    provider.stop()


def fail(provider):
    provider.status = 500


def misconfigured(provider):
    provider.body = b"<html>"


def no_keys(provider):
    provider.body = b'{"keys": []}'


def no_object(provider):
    provider.body = b"[1]"


def redirect(provider):
    provider.status = 302


def odd_keys(provider):
    provider.body = b'{"keys": [{"kty": "oct", "k": "AAAA", "kid": "a1", "alg": "none"}, 5, null]}'


@pytest.mark.parametrize("fault", [stop, fail, misconfigured, no_keys, no_object, redirect, odd_keys])
def test_provider_that_does_not_tell_its_keys_is_waited_for_by_the_caller(client, provider, fault):
    token = provider.token()
    fault(provider)

    for _ in range(3):
        answer = get(client, token)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert len(provider.asked) <= 1
    assert get(client, token, "/ca/IOTmidCA").status_code == 200
    assert client.get("/user/A:x").status_code == 401


def test_known_keys_are_good_while_the_provider_is_away_and_then_it_is_asked_again(client, provider):
    token = provider.token(exp=provider.claims()["exp"] + HOUR)
    assert get(client, token).status_code == 404
    provider.status = 500
    client.seconds += 299
    assert get(client, token).status_code == 404
    client.seconds += 2
    assert get(client, token).status_code == 503

    provider.status = 200
    assert get(client, token).status_code == 503
    client.seconds += 11
    assert get(client, token).status_code == 404


def test_provider_that_hangs_holds_nobody_up_for_long(client, provider, monkeypatch):
    """Also the one that a token of a realm nobody knows makes it wait for; while it does, all other requests go on."""
    monkeypatch.setattr(signing_keys, "_TIMEOUT", 0.5)
    provider.hangs.set()
    app = client.application
    answers = []

    def ask(realm):
        token = signed(provider.claims(realm), key(10), kid="a1")
        answers.append(get(app.test_client(), token).status_code)

    threads = [threading.Thread(target=ask, args=(f"A{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    assert client.get("/ca").status_code == 200
    for thread in threads:
        thread.join(30)

    assert answers == [503] * 8
    assert len(provider.asked) == 1


# POST /sign


@pytest.fixture
def enrolling(client):
    for name in ("A:x", "B:x", "plain"):
        client.installation.add(name)
    return client


def sign(client, username, token=None, password="dojot"):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return client.post(f"/sign/{username}/pkcs10", json={"passwd": password, "certificate": REQUEST}, headers=headers)


def test_who_shows_a_tenant_enrols_its_devices_and_no_other_tenants(enrolling, provider):
    """A54."""
    token = provider.token("A", "user")

    assert sign(enrolling, "B:x", token).status_code == 403
    assert sign(enrolling, "A:x", token).status_code == 200
    entry = enrolling.installation.last_audit()
    assert (entry["action"], entry["actor"], entry["actor_tenant"]) == ("certificate.issued", "user alice", "A")


@pytest.mark.parametrize("username", ["A:x", "B:x", "plain"])
def test_password_alone_enrols_as_ever(enrolling, username):
    assert sign(enrolling, username).status_code == 200


def test_device_without_a_tenant_in_its_name_enrols_through_any(enrolling, provider):
    assert sign(enrolling, "plain", provider.token("A", "user"), "wrong").status_code == 400
    assert sign(enrolling, "plain", provider.token("A", "user")).status_code == 200


def test_token_that_is_no_good_stops_an_enrolment(enrolling, provider):
    assert sign(enrolling, "A:x", provider.token(aud="x")).status_code == 401
    provider.status = 500
    enrolling.seconds += 301
    assert sign(enrolling, "A:x", provider.token()).status_code == 503
    assert enrolling.installation.certificates() == 0
