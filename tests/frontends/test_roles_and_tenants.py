"""What each role may call, and that a tenant's callers reach its end entities alone, without learning of any other."""

import shutil

import pytest

from app.operations.access_tokens import Grant
from app.operations.principal import Role
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line
from tests.conftest import ACTOR, Installation
from tests.frontends.test_access import CLOSED, call

NOBODYS = "45A168F4EA978E7E"
GRANTS = {
    "admin": Grant(Role.ADMIN),
    "registrar": Grant(Role.REGISTRAR),
    "auditor": Grant(Role.AUDITOR),
    "registrar of A": Grant(Role.REGISTRAR, "A"),
    "auditor of A": Grant(Role.AUDITOR, "A"),
}
READS = {"registrar", "auditor", "registrar of A", "auditor of A"}
WRITES = {"registrar", "registrar of A"}
MAY = {
    ("GET", "/metrics"): {"auditor"},
    ("PUT", "/ca/<name>/crl"): set(),
    ("GET", "/ca/<issuer>/certificate/<serial>"): READS,
    ("DELETE", "/ca/<issuer>/certificate/<serial>"): WRITES,
    ("GET", "/ca/<name>/revocations"): READS,
    ("POST", "/user"): WRITES,
    ("POST", "/users"): WRITES,
    ("GET", "/user/<username>"): READS,
    ("DELETE", "/user/<username>"): WRITES,
    ("GET", "/user/<username>/find"): READS,
    ("GET", "/profiles"): READS,
    ("GET", "/profiles/<profile>"): READS,
    ("POST", "/profiles/<profile>/explain"): READS,
}
"""What besides an admin may call which closed route; of a tenant, for a name of theirs."""


class Ca:
    """An installation with a token for each grant and three devices that have a certificate."""

    def __init__(self, installation) -> None:
        self.installation = installation
        self.client = create_app(installation.services).test_client()
        self.tokens = {
            name: installation.services.tokens.create(name, ACTOR, GRANTS[name]) for name in list(GRANTS)[1:]
        }
        self.tokens["admin"] = installation.settings.admin_token.read_text().strip()
        self.serials = {name: self.enrol(name, number) for number, name in enumerate(("A:dev", "B:dev", "dev"))}

    def enrol(self, name: str, number: int) -> str:
        self.installation.add(name)
        return self.sign(name, "dojot", number).serial

    def sign(self, name: str, password: str, number: int = 0):
        return self.installation.sign(name, password, one_line(csr(name, signing_key=key(number))))

    def ask(self, who: str, method: str, path: str, **options):
        return self.client.open(path, method=method, headers=self.headers(who), **options)

    def headers(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def state(self):
        """All that could have changed: every act has its entry."""
        statements = ("SELECT * FROM end_entities", "SELECT * FROM certificates", "SELECT count(*) FROM audit_log")
        return [self.installation.sql(statement) for statement in statements]


@pytest.fixture(scope="module")
def standing(data_template, tmp_path_factory):
    """One for all questions that change nothing."""
    base = tmp_path_factory.mktemp("roles") / "installation"
    shutil.copytree(data_template, base)
    installation = Installation(base)
    yield Ca(installation)
    installation.check()
    installation.services.database.close()


@pytest.fixture
def ca(make_installation):
    return Ca(make_installation())


# Roles


@pytest.mark.parametrize("who", sorted(READS))
@pytest.mark.parametrize("route", CLOSED, ids=" ".join)
def test_each_role_may_call_what_it_is_for_and_is_refused_all_else(standing, route, who):
    """A61. What is there to refuse is refused before the body is read."""
    method, rule = route
    answer = call(standing.client, (method, rule.replace("<username>", "A:nobody")), headers=standing.headers(who))

    assert (answer.status_code == 403) == (who not in MAY[route])
    if answer.status_code == 403:
        assert answer.json["message"].startswith("Only an admin")


def test_table_above_has_every_closed_route():
    assert set(MAY) == set(CLOSED)


@pytest.mark.parametrize("who", sorted(READS))
@pytest.mark.parametrize("path", ["/ca", "/ca/New", "/profiles", "/profiles/CFREE"])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
def test_no_role_makes_a_ca_or_a_profile(standing, who, path, method):
    """A61."""
    assert standing.ask(who, method, path, json={"name": "New"}).status_code in {404, 405}


@pytest.mark.parametrize("who", ["auditor", "auditor of A"])
def test_auditor_changes_nothing(standing, who):
    before = standing.state()
    for method, rule in CLOSED:
        path = rule.replace("<username>", "A:dev").replace("<serial>", standing.serials["A:dev"])
        call(standing.client, (method, path.replace("<issuer>", "IOTmidCA")), headers=standing.headers(who), json={})

    assert standing.state() == before


def test_auditor_reads_all_end_entities(standing):
    for name, serial in standing.serials.items():
        for path in (f"/user/{name}", f"/user/{name}/find", f"/ca/IOTmidCA/certificate/{serial}"):
            assert standing.ask("auditor", "GET", path).status_code == 200


def test_refused_caller_stands_in_the_log_by_name(standing, caplog):
    caplog.set_level("INFO")
    standing.ask("auditor of A", "POST", "/user", json={})

    fields = caplog.records[-1].fields
    assert (fields["actor"], fields["outcome"], fields["status"]) == ("token auditor of A", "Forbidden", 403)


# Tenants


def shape(answer, *variable: str):
    """All of an answer but what was sent in the question."""
    text = answer.text
    for each in variable:
        text = text.replace(each, "…")
    headers = {name: value for name, value in answer.headers if name not in {"X-Request-Id", "Content-Length"}}
    return answer.status_code, headers, text


@pytest.mark.parametrize("who", ["registrar of A", "auditor of A"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/user/{}"),
        ("HEAD", "/user/{}"),
        ("GET", "/user/{}/"),
        ("GET", "/user/{}/find"),
        ("GET", "/user/{}/find?valid=false"),
        ("DELETE", "/user/{}"),
        ("DELETE", "/user/{}?reason=FOO"),
        ("DELETE", "/user/{}?delete=true"),
        ("POST", "/sign/B:{}/pkcs10"),
    ],
)
def test_name_of_another_tenant_is_refused_whether_it_is_there_or_not(standing, who, method, path):
    """A54."""
    before = standing.state()
    for there, not_there in (("dev", "none"), ("B:dev", "B:none")):
        answers = [standing.ask(who, method, path.format(name), json={"x": 1}) for name in (there, not_there)]

        assert shape(answers[0], there) == shape(answers[1], not_there)
        assert answers[0].status_code == 403
        assert method == "HEAD" or answers[0].json["message"].endswith((" A:* alone.", " may do this."))
    assert standing.state() == before


@pytest.mark.parametrize(
    "name", ["a:dev", "AB:dev", ":dev", "A;dev", " A:dev", "A%20:dev", "B:A:dev", "A%C2%AD:dev", "A"]
)
def test_name_that_only_looks_like_the_tenants_is_refused(standing, name):
    assert standing.ask("auditor of A", "GET", f"/user/{name}").status_code == 403


@pytest.mark.parametrize("name", ["A:dev", "A%3Adev", "A:a:b", "A:"])
def test_name_of_the_tenant_is_looked_up(standing, name):
    expected = 200 if name.endswith("dev") else 404

    assert standing.ask("auditor of A", "GET", f"/user/{name}").status_code == expected


@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("issuer", ["IOTmidCA", "CN=IOTmidCA,O=EJBCA IOT,C=SE", "IOTrootCA", "NoCA"])
def test_certificate_of_another_tenant_is_one_that_is_not_there(standing, method, issuer):
    """A54, A59."""
    before = standing.state()
    nobodys = standing.ask("registrar of A", method, f"/ca/{issuer}/certificate/{NOBODYS}")

    for serial in (
        standing.serials["B:dev"],
        standing.serials["dev"],
        standing.serials["B:dev"].lower(),
        ca_serial(standing),
    ):
        answer = standing.ask("registrar of A", method, f"/ca/{issuer}/certificate/{serial}")
        assert shape(answer, serial.upper().lstrip("0")) == shape(nobodys, NOBODYS)
        assert answer.status_code in {400, 404}
    assert standing.state() == before


def ca_serial(standing) -> str:
    return standing.installation.sql("SELECT serial FROM certificates WHERE certificate_type = 2")[0][0]


def test_status_tells_everyone_the_same(ca):
    """A revocation is published: in lists and by OCSP. A caller of another tenant is told no lie about it."""
    path = f"/ca/IOTmidCA/certificate/{ca.serials['B:dev']}/status"
    ca.ask("admin", "DELETE", path.removesuffix("/status"))

    answers = [ca.client.get(path), *(ca.ask(who, "GET", path) for who in ca.tokens)]
    assert {answer.json["status"]["reason"] for answer in answers} == {"UNSPECIFIED"}


@pytest.mark.parametrize(
    ("there", "not_there"),
    [
        ({"username": "B:dev"}, {"username": "B:none"}),
        ({"username": "dev"}, {"username": "none"}),
        ({"username": "A:new", "subjectDN": "CN=B:dev"}, {"username": "A:new", "subjectDN": "CN=B:none"}),
        ({"username": "A:new", "endEntityProfileName": "EMPTY"}, {"username": "A:new", "endEntityProfileName": "NONE"}),
    ],
    ids=str,
)
def test_registration_that_reaches_beyond_the_tenant_is_refused(standing, there, not_there):
    """A54, A57."""
    before = standing.state()
    answers = [standing.ask("registrar of A", "POST", "/user", json=body) for body in (there, not_there)]

    assert shape(answers[0]) == shape(answers[1])
    assert answers[0].status_code == 403
    assert standing.state() == before


@pytest.mark.parametrize("subject", ["CN=A:other", "CN=A:new,CN=B:dev", "CN=B:dev,CN=A:new", "O=A:new", "CN=a:new"])
def test_common_name_is_the_name_of_the_end_entity(standing, subject):
    body = {"username": "A:new", "subjectDN": subject}

    assert standing.ask("registrar of A", "POST", "/user", json=body).status_code == 403


def test_registrar_of_a_tenant_manages_its_end_entities(ca):
    body = {"username": "A:new", "subjectDN": "CN=A:new", "password": "secret"}
    assert ca.ask("registrar of A", "POST", "/user", json=body).status_code == 200
    entry = ca.installation.last_audit()
    assert (entry["actor"], entry["how"], entry["actor_tenant"]) == ("token registrar of A", "bearer token", "A")

    serial = ca.sign("A:new", "secret", 3).serial
    path = f"/ca/IOTmidCA/certificate/{serial}"
    assert ca.ask("registrar of A", "GET", path).status_code == 200
    assert ca.ask("registrar of A", "GET", "/user/A:new/find").status_code == 200
    assert ca.ask("registrar of A", "DELETE", f"{path}?reason=CERTIFICATEHOLD").status_code == 200
    assert ca.ask("registrar of A", "DELETE", f"{path}?reason=NOTREVOKED").status_code == 200
    assert ca.ask("registrar of A", "DELETE", "/user/A:new?delete=true").status_code == 200
    assert ca.installation.services.revocation.find("IOTmidCA", serial).revoked


@pytest.mark.parametrize(
    ("for_whom", "status"),
    [
        ({"entity": "A:dev"}, 200),
        ({"subject": "CN=A:new"}, 200),
        ({"entity": "B:dev"}, 403),
        ({"entity": "B:none"}, 403),
        ({"entity": "dev"}, 403),
        ({"subject": "CN=B:dev"}, 403),
        ({"subject": "O=x"}, 403),
    ],
    ids=str,
)
def test_explanation_is_for_the_tenants_own(standing, for_whom, status):
    body = {"csr": one_line(csr()), **for_whom}

    assert standing.ask("auditor of A", "POST", "/profiles/CFREE/explain", json=body).status_code == status


# An end entity whose certificate is good


@pytest.mark.parametrize("who", ["registrar", "registrar of A"])
@pytest.mark.parametrize(
    "fields", [{}, {"status": 40}, {"status": 50}, {"password": "mine"}, {"subjectDN": "CN=A:dev"}]
)
def test_registrar_does_not_register_anew_who_has_a_good_certificate(standing, who, fields):
    """A58."""
    before = standing.state()
    answer = standing.ask(who, "POST", "/user", json={"username": "A:dev", **fields})

    assert answer.status_code == 409
    assert "revoke it first" in answer.json["message"]
    assert standing.state() == before


def hold(ca):
    ca.ask("admin", "DELETE", f"/ca/IOTmidCA/certificate/{ca.serials['A:dev']}?reason=CERTIFICATEHOLD")


def forget(ca):
    ca.installation.services.end_entities.delete("A:dev", ACTOR)


def begin(ca):
    """The certificate was recorded, and is being signed just now."""
    ca.installation.sql("UPDATE certificates SET state = 'pending' WHERE username = 'A:dev'")


@pytest.mark.parametrize("change", [hold, forget, begin])
def test_nor_whose_certificate_may_yet_be_used(ca, change):
    """A58."""
    change(ca)

    assert ca.ask("registrar of A", "POST", "/user", json={"username": "A:dev"}).status_code == 409
    ca.installation.sql("UPDATE certificates SET state = 'issued' WHERE username = 'A:dev'")


def revoke(ca):
    assert ca.ask("registrar of A", "DELETE", "/user/A:dev").status_code == 200


def grow_old(ca):
    ca.installation.clock.advance(days=731)


@pytest.mark.parametrize("change", [revoke, grow_old])
def test_registrar_registers_anew_who_has_none_that_is_good(ca, change):
    """A58."""
    change(ca)

    assert ca.ask("registrar of A", "POST", "/user", json={"username": "A:dev"}).status_code == 200
    assert ca.installation.services.end_entities.find("A:dev").status is EndEntityStatus.NEW


def test_registrar_sets_another_password_for_who_has_not_enrolled(ca):
    for password in ("first", "second"):
        body = {"username": "A:new", "password": password}
        assert ca.ask("registrar of A", "POST", "/user", json=body).status_code == 200

    assert ca.sign("A:new", "second", 3)


def test_admin_registers_anew_and_that_is_on_record(ca):
    """A58."""
    assert ca.ask("admin", "POST", "/user", json={"username": "A:dev", "password": "again"}).status_code == 200

    entry = ca.installation.last_audit()
    assert (entry["action"], entry["object"], entry["actor"]) == ("entity.edited", "A:dev", "token admin")
    assert ca.sign("A:dev", "again", 4)


def test_trusted_network_registers_anew_as_it_always_has(make_installation):
    ca = Ca(make_installation(MIDCA_TRUSTED_NETWORKS="10.0.0.0/8"))
    body = {"username": "A:dev", "password": "again"}

    assert ca.client.post("/user", json=body, environ_base={"REMOTE_ADDR": "10.1.2.3"}).status_code == 200
    assert ca.sign("A:dev", "again", 4)


def test_certificate_of_a_stolen_key_does_not_stand_in_the_way(ca):
    ca.installation.services.end_entities.revoke("A:dev", RevocationReason.KEYCOMPROMISE, ACTOR)

    assert ca.ask("registrar", "POST", "/user", json={"username": "A:dev"}).status_code == 200
