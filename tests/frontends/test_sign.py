"""``POST /sign/<username>/pkcs10``."""

import ipaddress
import sys
from collections import Counter

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.operations import enrolment_password
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import ACTOR
from tests.statements import noted

REQUEST = one_line(csr())


@pytest.fixture
def sign(client):
    def sign(username="f60c28", **body):
        return client.post(f"/sign/{username}/pkcs10", json={"passwd": "dojot", "certificate": REQUEST} | body)

    return sign


@pytest.fixture
def entity(installation):
    """An end entity that may enrol."""
    return installation.add()


def certificate_in(answer) -> x509.Certificate:
    return x509.load_pem_x509_certificate(wrapped(answer.json["status"]["data"]).encode())


def refused(answer, message) -> bool:
    return (answer.status_code, answer.json) == (400, {"message": message, "status": 400})


def test_certificate_is_answered_in_the_shape_clients_read(sign, entity):
    answer = sign()

    assert answer.status_code == 200
    assert set(answer.json) == {"status"}
    assert set(answer.json["status"]) == {"data", "responseType"}
    assert answer.json["status"]["responseType"] == "CERTIFICATE"


def test_data_is_one_certificate_of_64_columns_without_outer_lines_and_newline(sign, entity):
    *full, last = sign().json["status"]["data"].split("\n")

    assert {len(line) for line in full} == {64}
    assert 0 < len(last) <= 64
    assert "-" not in "".join(full) + last


def test_certificate_is_for_the_end_entity_and_the_key_of_the_request(sign, entity):
    """A01."""
    certificate = certificate_in(sign(certificate=one_line(csr("somebody else"))))

    assert [(a.oid, a.value) for a in certificate.subject] == [(NameOID.COMMON_NAME, "f60c28")]
    assert certificate.public_key() == key().public_key()


def test_alternative_names_of_the_request_are_kept(sign, entity):
    names = [x509.DNSName("mqtt"), x509.IPAddress(ipaddress.ip_address("192.0.2.1"))]
    request = csr(extensions=((x509.SubjectAlternativeName(names), False),))

    certificate = certificate_in(sign(certificate=one_line(request)))

    assert list(certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value) == names


def test_slash_at_the_end_answers_at_once(client, entity):
    answer = client.post("/sign/f60c28/pkcs10/", json={"passwd": "dojot", "certificate": REQUEST})

    assert answer.status_code == 200


def test_name_with_a_colon_is_addressed_unescaped(sign, installation):
    installation.add("tenant:device")

    assert sign("tenant:device").status_code == 200


def test_keys_nobody_knows_have_no_effect(sign, entity):
    answer = sign(subjectDN="CN=evil", status=10, validity=99999, caName="IOTrootCA")

    assert answer.status_code == 200
    assert certificate_in(answer).issuer.rfc4514_string().endswith("CN=IOTmidCA")


def test_unknown_end_entity_is_refused_in_ejbcas_words(sign):
    assert refused(sign(), "soap message: Wrong username or password")


def test_wrong_password_is_refused_in_ejbcas_words(sign, entity):
    assert refused(sign(passwd="x"), "soap message: Got request for user with invalid password: f60c28.")


@pytest.mark.parametrize(
    ("status", "name"),
    [(20, "INITIALIZED"), (40, "GENERATED"), (50, "REVOKED"), (60, "HISTORICAL")],
)
@pytest.mark.parametrize("passwd", ["dojot", "wrong"])
def test_wrong_status_is_refused_in_ejbcas_words(sign, installation, status, name, passwd):
    """A50."""
    installation.add()
    installation.sql("UPDATE end_entities SET status = ?", status)

    expected = f"soap message: Got request with status {name} ({status}), NEW, FAILED or INPROCESS required: f60c28."
    assert refused(sign(passwd=passwd), expected)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"passwd": "dojot"},
        {"certificate": REQUEST},
        {"passwd": None, "certificate": REQUEST},
        {"passwd": 1, "certificate": REQUEST},
        {"passwd": True, "certificate": REQUEST},
        {"passwd": [], "certificate": REQUEST},
        {"passwd": {}, "certificate": REQUEST},
        {"passwd": "dojot", "certificate": None},
        {"passwd": "dojot", "certificate": 1},
        {"passwd": "dojot", "certificate": [REQUEST]},
    ],
    ids=lambda body: str({name: type(value).__name__ for name, value in body.items()}),
)
def test_missing_parameter_is_refused_in_the_originals_words(client, entity, body):
    """A38."""
    answer = client.post("/sign/f60c28/pkcs10", json=body)

    assert refused(answer, "Missing parameter. Expected: passwd and certificate")


def test_a_date_that_is_no_text_is_not_called_a_missing_password(sign, entity):
    assert refused(sign(notAfter=1893456000), "field notAfter: Not a valid string.")


@pytest.mark.parametrize("passwd", ["", "a\0b", "a" * 2000, "пароль"], ids=["empty", "NUL", "long", "not ASCII"])
def test_odd_password_is_refused_like_any_other(sign, entity, passwd):
    """A45."""
    assert sign(passwd=passwd).status_code == 400
    assert sign("nobody", passwd=passwd).status_code == 400


def test_small_key_is_refused_in_ejbcas_words(sign, entity):
    answer = sign(certificate=one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1()))))

    assert answer.status_code == 400
    assert answer.json["message"].startswith("soap message: Illegal key length: 256.")


def test_locked_end_entity_is_told_when_to_come_back(sign, entity):
    """A43."""
    for _ in range(6):
        sign(passwd="wrong")

    answer = sign()

    assert answer.status_code == 429
    assert answer.json["status"] == 429
    assert int(answer.headers["Retry-After"]) >= 1


def test_ca_that_has_expired_refuses_for_now(sign, entity, installation):
    """A72."""
    installation.clock.advance(days=3653)

    answer = sign()

    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert installation.certificates() == 0


# What a stranger can tell (A44)


@pytest.fixture
def refusals(installation):
    """The three refusals that must not be told apart: name and password of each."""
    installation.add("spent")
    installation.sign("spent", "dojot", REQUEST)
    installation.clock.advance(hours=1)
    installation.add("armed")
    return {"unknown": ("nobody", "x"), "wrong password": ("armed", "x"), "wrong status": ("spent", "x")}


def test_refusals_have_one_status_and_one_shape(sign, refusals):
    """A44."""
    answers = {case: sign(name, passwd=passwd) for case, (name, passwd) in refusals.items()}

    assert {answer.status_code for answer in answers.values()} == {400}
    assert {tuple(answer.json) for answer in answers.values()} == {("message", "status")}
    assert len({tuple(sorted(set(answer.headers.keys()))) for answer in answers.values()}) == 1


@pytest.mark.parametrize("case", ["unknown", "wrong password", "wrong status"])
def test_each_refusal_writes_exactly_one_audit_entry_and_one_count(sign, refusals, installation, case):
    """A44."""
    name, passwd = refusals[case]
    before = installation.last_audit()["seq"]

    sign(name, passwd=passwd)

    assert installation.last_audit()["seq"] == before + 1
    assert installation.last_audit()["action"] == "certificate.refused"
    assert installation.sql("SELECT DISTINCT failures FROM password_failures") == [(1,)]


def test_refusals_do_the_same_work(refusals, installation):
    """A44: what takes the same steps takes the same time; a clock would measure the machine's other work."""
    work = {case: work_of(installation, name, passwd) for case, (name, passwd) in refusals.items()}
    assert work["unknown"] == work["wrong password"] == work["wrong status"]
    hashed, statements = work["unknown"]
    assert hashed["matches"] == 1
    assert len(statements) > 1


def work_of(installation, name: str, passwd: str) -> tuple[Counter, list[str]]:
    """Return which functions looked at the password how often, and the kinds of the SQL statements in order."""
    calls = Counter()

    def note(frame, event, _argument) -> None:
        if event == "call" and frame.f_code.co_filename == enrolment_password.__file__:
            calls[frame.f_code.co_name] += 1

    installation.sql("DELETE FROM password_failures")
    with noted(installation.services.database) as statements:
        sys.setprofile(note)
        try:
            with pytest.raises(Exception, match=r"Got request|Wrong username"):
                installation.services.issuance.issue(name, passwd, REQUEST, ACTOR)
        finally:
            sys.setprofile(None)
    return calls, [sql for sql, _ in statements]
