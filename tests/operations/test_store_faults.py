"""The database fails at one statement: the caller is refused, and nothing is half done (F09, F30)."""

from functools import partial

import pytest
from cryptography import x509

from app.errors import Refusal
from app.operations.audit_verification import AuditVerification
from app.pki.end_entity import EndEntityStatus
from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import ACTOR

REQUEST = one_line(csr())
OTHER = one_line(csr(signing_key=key(1)))
FAULTS = {  # in the words of SQLite and of PostgreSQL
    "a constraint": ("SELECT RAISE(FAIL, 'broken')", "RAISE check_violation"),
    "an error": ("SELECT json('broken')", "PERFORM json 'broken'"),
}
BEFORE_SIGNING = {
    "claim": "BEFORE UPDATE ON end_entities FOR EACH ROW WHEN (NEW.status = 30)",
    "pending row": "BEFORE INSERT ON certificates",
    "audit entry": "BEFORE INSERT ON audit_log",
}
AFTER_SIGNING = {
    "issued row": "BEFORE UPDATE ON certificates",
    "end entity": "BEFORE UPDATE ON end_entities FOR EACH ROW WHEN (NEW.status = 40)",
    "second audit entry": "BEFORE INSERT ON audit_log FOR EACH ROW WHEN (NEW.entry LIKE '%certificate.issued%')",
}

pytestmark = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@pytest.fixture
def break_at(installation):
    """Has a statement fail from now on, with one of the faults; returns what mends it."""

    def break_at(moment: str, fault: tuple[str, str]):
        if installation.settings.database_address:
            installation.sql(f"CREATE FUNCTION fault() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN {fault[1]}; END$$")
            installation.sql(f"CREATE TRIGGER fault {moment} EXECUTE FUNCTION fault()")
            return partial(installation.sql, "DROP FUNCTION fault CASCADE")
        installation.sql(f"CREATE TRIGGER fault {moment} BEGIN {fault[0]}; END")
        return partial(installation.sql, "DROP TRIGGER fault")

    return break_at


def enrol(installation):
    return (
        create_app(installation.services)
        .test_client()
        .post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": REQUEST})
    )


SNAPSHOT = ("end_entities", "certificates", "password_failures")


def snapshot(installation, *tables: str):
    return [installation.sql(f"SELECT * FROM {table}") for table in tables or SNAPSHOT]  # noqa: S608


@pytest.mark.parametrize("moment", BEFORE_SIGNING.values(), ids=BEFORE_SIGNING)
def test_fault_before_signing_refuses_and_leaves_no_trace(installation, break_at, moment, fault):
    installation.add()
    before, signed = snapshot(installation), installation.oracle.signed()
    mend = break_at(moment, fault)

    answer = enrol(installation)

    assert answer.status_code == 503, answer.text
    assert snapshot(installation) == before
    assert installation.oracle.signed() == signed
    mend()
    assert enrol(installation).status_code == 200


@pytest.mark.parametrize("moment", AFTER_SIGNING.values(), ids=AFTER_SIGNING)
def test_fault_after_signing_leaves_a_pending_certificate_that_the_next_try_gets(installation, break_at, moment, fault):
    installation.add()
    mend = break_at(moment, fault)

    answer = enrol(installation)

    assert answer.status_code == 503, answer.text
    assert installation.sql("SELECT state FROM certificates WHERE certificate_type = 1") == [("pending",)]
    installation.check()
    mend()
    again = enrol(installation)
    assert again.status_code == 200
    serial = x509.load_pem_x509_certificate(wrapped(again.json["status"]["data"]).encode()).serial_number
    assert installation.sql("SELECT state, serial FROM certificates WHERE certificate_type = 1") == [
        ("issued", f"{serial:X}")
    ]
    assert installation.services.end_entities.find("f60c28").status is EndEntityStatus.GENERATED


def signed_device(installation) -> str:
    """Return the path of a certificate that was issued to the device ``good``."""
    installation.add("good")
    serial = installation.sign("good", "dojot", REQUEST).serial
    return f"/ca/IOTmidCA/certificate/{serial}"


ACTS_OVER_HTTP = {
    "sign": lambda client, _, __: client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": OTHER}),
    "refuse to sign": lambda client, _, __: client.post(
        "/sign/f60c28/pkcs10", json={"passwd": "wrong", "certificate": OTHER}
    ),
    "register": lambda client, admin, _: client.post("/user", json={"username": "new"}, headers=admin),
    "revoke an end entity": lambda client, admin, _: client.delete("/user/good?reason=UNSPECIFIED", headers=admin),
    "delete an end entity": lambda client, admin, _: client.delete("/user/good?delete=true", headers=admin),
    "revoke": lambda client, admin, path: client.delete(f"{path}?reason=KEYCOMPROMISE", headers=admin),
    "hold": lambda client, admin, path: client.delete(f"{path}?reason=CERTIFICATEHOLD", headers=admin),
    "issue a list": lambda client, admin, _: client.put("/ca/IOTmidCA/crl", headers=admin),
}


@pytest.mark.parametrize("act", ACTS_OVER_HTTP.values(), ids=ACTS_OVER_HTTP)
def test_act_over_http_that_cannot_be_audited_is_503_and_nothing_happened(installation, admin, break_at, fault, act):
    installation.add()
    path = signed_device(installation)
    before, signed = snapshot(installation, *SNAPSHOT, "revocation_lists"), installation.oracle.signed()
    mend = break_at("BEFORE INSERT ON audit_log", fault)

    answer = act(create_app(installation.services).test_client(), admin, path)

    assert answer.status_code == 503, answer.text
    assert snapshot(installation, *SNAPSHOT, "revocation_lists") == before
    assert installation.oracle.signed() == signed
    mend()
    assert AuditVerification(installation.services.checkpoints).run().findings.found == []


@pytest.mark.parametrize("act", ["create", "revoke"])
def test_act_on_a_token_that_cannot_be_audited_does_not_happen(installation, break_at, fault, act):
    tokens = installation.services.tokens
    before = snapshot(installation, "access_tokens")
    break_at("BEFORE INSERT ON audit_log", fault)
    acts = {"create": lambda: tokens.create("second", ACTOR), "revoke": lambda: tokens.revoke("admin", ACTOR)}

    with pytest.raises(Refusal):
        acts[act]()
    assert snapshot(installation, "access_tokens") == before


@pytest.mark.parametrize("act", ["put", "rearm", "delete", "revoke"])
def test_act_that_cannot_be_audited_does_not_happen(installation, break_at, fault, act):
    """F30."""
    installation.add()
    before = snapshot(installation)
    break_at("BEFORE INSERT ON audit_log", fault)
    end_entities = installation.services.end_entities
    acts = {
        "put": lambda: installation.add(password="another"),
        "rearm": lambda: end_entities.rearm("f60c28", "another", ACTOR),
        "delete": lambda: end_entities.delete("f60c28", ACTOR),
        "revoke": lambda: end_entities.revoke("f60c28", RevocationReason.UNSPECIFIED, ACTOR),
    }

    with pytest.raises(Refusal):
        acts[act]()
    assert snapshot(installation) == before


def test_wrong_password_that_cannot_be_counted_is_refused_all_the_same(installation, break_at, fault):
    """A49."""
    installation.add()
    break_at("BEFORE INSERT ON password_failures", fault)
    client = create_app(installation.services).test_client()

    answer = client.post("/sign/f60c28/pkcs10", json={"passwd": "wrong", "certificate": REQUEST})

    assert answer.status_code in {400, 503}, answer.text
    assert installation.certificates() == 0


def test_token_that_cannot_be_recorded_does_not_exist(installation, break_at, fault):
    break_at("BEFORE INSERT ON access_tokens", fault)

    with pytest.raises(Refusal):
        installation.services.tokens.create("second", ACTOR)
    assert [token.name for token in installation.services.tokens.store.all()] == ["admin"]
