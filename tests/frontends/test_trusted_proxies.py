"""What a trusted proxy or gateway passes on of a caller, and that nobody else can say it."""

import base64
import shutil
import stat
import time
from urllib.parse import quote

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import Conflict
from app.operations.access_tokens import Grant
from app.operations.principal import Role
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import ACTOR, Installation

PROXY, STRANGER = {"REMOTE_ADDR": "10.9.0.1"}, {"REMOTE_ADDR": "10.8.0.1"}
PROXIES = {"MIDCA_TRUSTED_PROXIES": "10.9.0.0/24, fd09::/64"}
REQUEST = one_line(csr())


def made(make_installation, **settings):
    return client_of(make_installation(**PROXIES | settings))


def client_of(installation):
    client = create_app(installation.services).test_client()
    client.installation = installation
    client.secret = (installation.settings.data / "secrets" / "proxy-secret").read_text().strip()
    return client


@pytest.fixture(scope="module")
def make_once(data_template, tmp_path_factory):
    """Make an installation that all tests of this module share: they take a name each, and end nothing."""
    made = []

    def make(**settings):
        base = tmp_path_factory.mktemp("proxies") / "installation"
        shutil.copytree(data_template, base)
        made.append(Installation(base, **settings))
        return made[-1]

    yield make
    for installation in made:
        installation.check()
        installation.services.database.close()


@pytest.fixture(scope="module")
def kong(make_once):
    return made(make_once, MIDCA_AUTH="tokens,kong")


def dojot_token(**changed) -> str:
    """A token as dojot's auth makes it; Kong knows the secret, midca does not."""
    now = int(time.time())
    claims = {"iss": "8cd3…key", "iat": now, "exp": now + 420, "profile": "admin", "groups": [1], "userid": 1}
    claims |= {"jti": "0" * 32, "service": "A", "username": "alice"} | changed
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, "k" * 32, "HS256")


def passed_on(client, token=None, **headers):
    authorization = {"Authorization": f"Bearer {token}"} if token else {}
    return {"X-Midca-Proxy-Secret": client.secret, **authorization, **headers}


def get(client, path="/user/A:x", peer=PROXY, **headers):
    return client.get(path, headers=headers, environ_base=peer)


def refused(answer) -> bool:
    return answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer")


# dojot's tokens behind Kong


def test_user_of_dojot_is_of_the_tenant_in_the_token(kong):
    headers = passed_on(kong, dojot_token())

    assert kong.post("/user", json={"username": "A:new"}, headers=headers, environ_base=PROXY).status_code == 200
    assert get(kong, "/user/A:new", **headers).status_code == 200
    assert get(kong, "/user/B:x", **headers).status_code == 403
    entry = kong.installation.last_audit()
    assert (entry["actor"], entry["how"], entry["actor_tenant"]) == ("user alice", "gateway", "A")


def test_admin_of_the_tenant_that_runs_the_ca_is_an_admin(make_installation):
    client = made(make_installation, MIDCA_AUTH="kong", MIDCA_ADMIN_TENANT="admin")
    update = {"path": "/ca/IOTmidCA/crl", "environ_base": PROXY}

    assert client.put(**update, headers=passed_on(client, dojot_token(service="admin"))).status_code == 200
    assert client.put(**update, headers=passed_on(client, dojot_token())).status_code == 403
    assert (
        client.put(**update, headers=passed_on(client, dojot_token(service="admin", profile="user"))).status_code == 403
    )


def test_user_of_another_profile_enrols_devices_of_the_tenant_and_does_no_more(kong):
    for name in ("A:dev", "B:dev", "f60c28"):
        kong.installation.add(name)
    headers = passed_on(kong, dojot_token(profile="user"))
    body = {"passwd": "dojot", "certificate": REQUEST}

    def sign(name):
        return kong.post(f"/sign/{name}/pkcs10", json=body, headers=headers, environ_base=PROXY).status_code

    assert get(kong, "/user/A:dev", **headers).status_code == 403
    assert (sign("B:dev"), sign("A:dev")) == (403, 200)
    body["certificate"] = one_line(csr(signing_key=key(1)))
    assert sign("f60c28") == 200


@pytest.mark.parametrize("peer", [STRANGER, {"REMOTE_ADDR": "127.0.0.1"}, {"REMOTE_ADDR": "::1"}], ids=str)
def test_token_from_elsewhere_is_only_somebodys_word(kong, peer):
    """A55, A56. The secret alone, should it leak, opens nothing either."""
    assert refused(get(kong, peer=peer, Authorization=f"Bearer {dojot_token()}"))
    assert refused(get(kong, peer=peer, **passed_on(kong, dojot_token())))


@pytest.mark.parametrize("secret", [None, "", "x" * 43, "{}x", "é"], ids=ascii)
def test_token_from_a_proxys_address_without_the_secret_is_refused(kong, secret):
    headers = {} if secret is None else {"X-Midca-Proxy-Secret": secret.format(kong.secret)}

    answer = get(kong, Authorization=f"Bearer {dojot_token()}", **headers)

    assert refused(answer)
    assert secret is None or "MIDCA_PROXY_SECRET_FILE" in answer.json["message"]


BAD = {
    "expired": {"exp": int(time.time()) - 3600},
    "without an end": {"exp": None},
    "not good yet": {"nbf": int(time.time()) + 3600},
    "without a tenant": {"service": None},
    "an empty tenant": {"service": ""},
    "a tenant with a colon": {"service": "A:B"},
    "tenants": {"service": ["A"]},
    "without a name": {"username": None},
    "a name with a newline": {"username": "a\nb"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_token_that_kong_let_pass_and_is_no_good_is_refused(kong, change):
    assert refused(get(kong, **passed_on(kong, dojot_token(**change))))


@pytest.mark.parametrize(
    "token",
    [
        ".".join(base64.b64encode(part).decode() for part in (b"model", b'{"service": "A"}', b"signature")),
        "garbage",
        "a.b.c",
        "e30.e30.",
        "e30." + base64.urlsafe_b64encode(b"[" * 3000).decode() + ".",
    ],
    ids=["pseudo", "garbage", "dots", "empty", "nested"],
)
def test_token_that_is_none_is_refused_also_behind_kong(kong, token):
    """A55."""
    assert refused(get(kong, **passed_on(kong, token)))


@pytest.mark.parametrize(
    "header",
    [
        {"X-Consumer-Username": "admin"},
        {"X-Consumer-ID": "1", "X-Credential-Identifier": "admin"},
        {"X-Forwarded-User": "admin"},
        {"X-Forwarded-For": "127.0.0.1"},
        {"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": "x"},
    ],
    ids=str,
)
@pytest.mark.parametrize("peer", [STRANGER, PROXY], ids=["stranger", "proxy"])
def test_no_other_header_says_who_somebody_is(kong, peer, header):
    """A56."""
    assert refused(get(kong, peer=peer, **passed_on(kong, **header)))


def test_our_own_token_goes_through_the_gateway_too(kong):
    token = kong.installation.services.tokens.create("second", ACTOR, Grant(Role.AUDITOR))

    assert get(kong, **passed_on(kong, token)).status_code == 404
    assert get(kong, peer=STRANGER, Authorization=f"Bearer {token}").status_code == 404


def test_without_the_word_in_its_settings_no_gateway_is_believed(make_installation):
    client = made(make_installation)

    assert refused(get(client, **passed_on(client, dojot_token())))


def test_who_has_no_token_or_one_that_nobody_here_can_read_enrols_by_the_password(make_installation):
    """As dojot's clients always have: inside its network without a token, and with one that only Kong can read."""
    client = made(make_installation)
    client.installation.add("A:x")
    body = {"passwd": "dojot", "certificate": REQUEST}
    for headers in ({}, {"Authorization": f"Bearer {dojot_token(service='B')}"}):
        answer = client.post("/sign/A:x/pkcs10", json=body, headers=headers, environ_base=STRANGER)
        assert answer.status_code == 200


# A proxy and the networks that are trusted by their addresses


def test_what_comes_by_a_proxy_is_in_no_trusted_network(make_installation):
    """Whatever it sends: its clients may be anywhere, and a gateway that lost its secret must not open the door."""
    client = made(
        make_installation, MIDCA_TRUSTED_NETWORKS="10.0.0.0/8", MIDCA_METRICS_NETWORKS="10.0.0.0/8", MIDCA_AUTH="kong"
    )
    for headers in ({}, {"X-Midca-Proxy-Secret": "x"}, passed_on(client), {"X-Forwarded-For": "10.1.1.1"}):
        for path in ("/user/x", "/metrics"):
            assert refused(get(client, path, **headers))
    assert get(client, "/user/x", peer=STRANGER).status_code == 404
    assert get(client, "/metrics", peer=STRANGER).status_code == 200


def test_route_that_is_open_to_anyone_stays_so_with_a_wrong_secret(kong):
    headers = {"X-Midca-Proxy-Secret": "x", "Authorization": "Bearer x"}

    assert get(kong, "/ca/IOTmidCA", **headers).status_code == 200
    assert get(kong, "/ca/IOTmidCA/crl?update=true", **headers).status_code == 200


# Where the caller is, for the logs


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("127.0.0.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.9.0.2", "203.0.113.7"),
        ("203.0.113.7, fd09::1,10.9.0.2", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, unknown", "10.9.0.1"),
        ("203.0.113.7:1234", "10.9.0.1"),
        ("10.9.0.2, 10.9.0.3", "10.9.0.1"),
        ("", "10.9.0.1"),
        (" , ", "10.9.0.1"),
        ('x","level":"error', "10.9.0.1"),
    ],
)
def test_address_in_log_and_audit_is_the_last_that_no_proxy_has(kong, caplog, forwarded, address):
    caplog.set_level("INFO")
    headers = passed_on(kong, dojot_token(), **{"X-Forwarded-For": forwarded})
    kong.post("/user", json={"username": "A:logged"}, headers=headers, environ_base=PROXY)

    assert kong.installation.last_audit()["address"] == address
    assert caplog.records[-1].fields["address"] == address


@pytest.mark.parametrize(("peer", "secret"), [(STRANGER, True), (PROXY, False)], ids=["stranger", "no secret"])
def test_address_that_no_trusted_proxy_tells_is_the_sockets(make_installation, admin_of, peer, secret):
    client = made(make_installation)
    headers = {**admin_of(client), "X-Forwarded-For": "203.0.113.7"} | (passed_on(client) if secret else {})
    client.post("/user", json={"username": "x"}, headers=headers, environ_base=peer)

    assert client.installation.last_audit()["address"] == peer["REMOTE_ADDR"]


@pytest.fixture
def admin_of():
    return lambda client: {"Authorization": f"Bearer {client.installation.settings.admin_token.read_text().strip()}"}


# Where wrong passwords come from


@pytest.mark.parametrize(
    ("peer", "secret", "counted"),
    [(PROXY, True, "203.0.113.7"), (PROXY, False, "10.9.0.1"), (STRANGER, True, "10.8.0.1")],
    ids=["proxy", "no secret", "stranger"],
)
def test_wrong_password_counts_for_the_address_that_a_trusted_proxy_tells_and_else_for_the_sockets(
    make_installation, peer, secret, counted
):
    """A51, A56."""
    client = made(make_installation)
    headers = {"X-Forwarded-For": "203.0.113.7", "Forwarded": "for=203.0.113.7", "X-Real-IP": "203.0.113.7"}
    headers |= passed_on(client) if secret else {}
    body = {"passwd": "wrong", "certificate": REQUEST}
    answer = client.post("/sign/x/pkcs10", json=body, headers=headers, environ_base=peer)

    assert answer.status_code == 400
    sources = client.installation.sql("SELECT subject FROM password_failures WHERE subject LIKE 'address/%'")
    assert sources == [(f"address/{counted}",)]


# The secret


def test_secret_is_made_once_and_for_its_owner_alone(kong):
    file = kong.installation.settings.data / "secrets" / "proxy-secret"
    kong.installation.open().services.database.close()

    assert file.read_text().strip() == kong.secret
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_secret_can_be_in_a_file_of_ones_own(make_installation, tmp_path):
    file = tmp_path / "gateway-secret"
    file.touch(0o600)
    file.write_text("0123456789abcdef\n")
    installation = make_installation(**PROXIES, MIDCA_AUTH="kong", MIDCA_PROXY_SECRET_FILE=str(file))
    client = create_app(installation.services).test_client()
    headers = {"X-Midca-Proxy-Secret": "0123456789abcdef", "Authorization": f"Bearer {dojot_token()}"}

    assert get(client, **headers).status_code == 404


def test_secret_is_in_no_log_or_answer(kong, caplog):
    caplog.set_level("DEBUG")
    answer = get(kong, **passed_on(kong, dojot_token()))

    assert kong.secret not in caplog.text + answer.text + str(answer.headers) + repr(kong.installation.services)


# Client certificates, verified by the proxy that ends TLS


@pytest.fixture
def nginx(make_installation):
    return behind_nginx(make_installation)


@pytest.fixture(scope="module")
def standing_nginx(make_once):
    return behind_nginx(make_once)


def behind_nginx(make):
    client = made(make, MIDCA_AUTH="tokens,certificates")
    installation = client.installation
    installation.add("operator")
    client.certificate = installation.sign("operator", "dojot", REQUEST).certificate
    installation.services.tokens.admit(
        "operator 1", client.certificate.public_bytes(Encoding.DER), ACTOR, Grant(Role.REGISTRAR, "A")
    )
    return client


def shown(client, certificate=None, verify="SUCCESS"):
    pem = (certificate or client.certificate).public_bytes(Encoding.PEM).decode()
    return passed_on(client, **{"X-SSL-Client-Verify": verify, "X-SSL-Client-Cert": quote(pem)})


def test_holder_of_an_admitted_certificate_has_the_role_it_was_given(nginx):
    headers = shown(nginx)

    assert nginx.post("/user", json={"username": "A:x"}, headers=headers, environ_base=PROXY).status_code == 200
    assert get(nginx, "/user/B:x", **headers).status_code == 403
    entry = nginx.installation.last_audit()
    assert (entry["actor"], entry["how"], entry["actor_tenant"]) == ("token operator 1", "client certificate", "A")


@pytest.mark.parametrize("verify", ["", "NONE", "FAILED:certificate has expired", "success", "SUCCESS,NONE"])
def test_certificate_that_the_proxy_did_not_verify_is_none(standing_nginx, verify):
    assert refused(get(standing_nginx, **shown(standing_nginx, verify=verify)))


def test_certificate_that_no_trusted_proxy_passes_on_is_none(nginx):
    """A certificate is public: who sends one has not shown that they have its key."""
    headers = shown(nginx)

    assert refused(get(nginx, peer=STRANGER, **headers))
    assert refused(get(nginx, **headers | {"X-Midca-Proxy-Secret": "x"}))
    del headers["X-Midca-Proxy-Secret"]
    assert refused(get(nginx, **headers))


class _Tls:
    """A connection whose client certificate midca's own TLS has verified."""

    def __init__(self, certificate):
        self.certificate = certificate

    def getpeercert(self, binary_form):
        return self.certificate.public_bytes(Encoding.DER) if binary_form and self.certificate else None


@pytest.mark.parametrize(("peer", "believed"), [(STRANGER, True), (PROXY, False)], ids=["client", "proxy"])
def test_certificate_shown_to_tls_of_midcas_own_counts_unless_a_proxy_shows_it(standing_nginx, peer, believed):
    """Behind a proxy is anybody: its own certificate, should it ever be admitted, is not theirs."""
    tls = {"gunicorn.socket": _Tls(standing_nginx.certificate)}

    for headers in ({}, passed_on(standing_nginx)):
        answer = get(standing_nginx, peer=peer | tls, **headers)
        assert answer.status_code == (404 if believed else 401)
    assert refused(get(standing_nginx, peer=peer | {"gunicorn.socket": _Tls(None)}))


def test_certificate_that_nobody_admitted_opens_nothing_and_hinders_no_enrolment(nginx):
    """Also one with the same subject, for the same end entity: whoever registers could get themselves one."""
    nginx.installation.add("operator")
    body = {"passwd": "dojot", "certificate": one_line(csr(signing_key=key(1)))}

    answer = nginx.post("/sign/operator/pkcs10", json=body, headers=shown(nginx), environ_base=PROXY)
    assert answer.status_code == 200
    header = {"X-SSL-Client-Cert": quote(wrapped(answer.json["status"]["data"]))}
    assert refused(get(nginx, **shown(nginx) | header))


def test_certificate_that_was_revoked_here_opens_nothing_whatever_the_proxy_says(nginx):
    nginx.installation.services.end_entities.revoke("operator", RevocationReason.UNSPECIFIED, ACTOR)

    assert refused(get(nginx, **shown(nginx)))


@pytest.mark.parametrize("days", [-2, 731])
def test_certificate_counts_in_its_time_alone(nginx, days):
    nginx.installation.clock.advance(days=days)

    assert refused(get(nginx, **shown(nginx)))


def test_certificate_that_is_no_longer_admitted_opens_nothing(nginx):
    nginx.installation.services.tokens.revoke("operator 1", ACTOR)

    assert refused(get(nginx, **shown(nginx)))


@pytest.mark.parametrize("text", ["", "x", "%00", "-----BEGIN%20CERTIFICATE-----", "é", "%ff"], ids=ascii)
def test_header_that_holds_no_certificate_is_refused(standing_nginx, text):
    headers = passed_on(standing_nginx, **{"X-SSL-Client-Verify": "SUCCESS", "X-SSL-Client-Cert": text})

    assert refused(get(standing_nginx, **headers))


def test_token_goes_before_the_certificate(nginx):
    token = nginx.installation.services.tokens.create("second", ACTOR, Grant(Role.AUDITOR))

    assert get(nginx, "/user/B:x", **shown(nginx), Authorization=f"Bearer {token}").status_code == 404
    assert refused(get(nginx, **shown(nginx), Authorization="Bearer midca_x"))


def test_certificate_is_admitted_once(nginx):
    der = nginx.certificate.public_bytes(Encoding.DER)

    with pytest.raises(Conflict, match="already"):
        nginx.installation.services.tokens.admit("operator 2", der, ACTOR)
