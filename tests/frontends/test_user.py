"""``/user`` and ``/user/<username>``."""

import random
from string import ascii_letters
from urllib.parse import quote

import pytest

from app.pki.revocation import RevocationReason
from app.web import create_app
from tests.builders import csr, key, one_line

VIOLATION = "soap message: Userdata did not fulfill end entity profile EMPTY_CFREE,"
OK = {"message": "ok", "status": 200}
REQUEST = one_line(csr())
KEYS = {
    "caName": "IOTmidCA",
    "cardNumber": None,
    "certificateProfileName": "CFREE",
    "certificateSerialNumber": None,
    "clearPwd": False,
    "email": None,
    "endEntityProfileName": "EMPTY_CFREE",
    "endTime": None,
    "extendedInformation": [],
    "hardTokenIssuerName": None,
    "keyRecoverable": False,
    "password": None,
    "sendNotification": False,
    "startTime": None,
    "status": 10,
    "subjectAltName": None,
    "subjectDN": "CN=f60c28",
    "tokenType": "USERGENERATED",
    "username": "f60c28",
}


@pytest.fixture
def post(client, admin):
    def post(username="f60c28", **keys):
        return client.post("/user", json={"username": username, **keys}, headers=admin)

    return post


@pytest.fixture
def get(client, admin):
    def get(username="f60c28"):
        return client.get(f"/user/{username}", headers=admin)

    return get


@pytest.fixture
def sign(client):
    def sign(username="f60c28", passwd="dojot", request=REQUEST):
        return client.post(f"/sign/{username}/pkcs10", json={"passwd": passwd, "certificate": request})

    return sign


def refused(answer, message) -> bool:
    return (answer.status_code, answer.json) == (400, {"message": message, "status": 400})


# POST


def test_end_entity_needs_only_a_name(post, get, sign):
    answer = post()

    assert (answer.status_code, answer.json) == (200, OK)
    assert get().json == {"user": [KEYS]}
    assert sign().status_code == 200


def test_end_entity_is_shown_with_ejbcas_19_keys(post, get):
    post()

    assert len(get().json["user"][0]) == 19


def test_slash_at_the_end_answers_at_once(client, admin):
    assert client.post("/user/", json={"username": "f60c28"}, headers=admin).json == OK
    assert client.get("/user/f60c28/", headers=admin).status_code == 200
    assert client.delete("/user/f60c28/", headers=admin).json == OK


def test_keys_that_are_given_are_kept(post, get):
    kept = {"sendNotification": True, "tokenType": "P12", "endEntityProfileName": "EMPTY"}
    post(subjectDN="cn = device , o=things", password="secret", **kept)

    changed = {"subjectDN": "CN=device,O=things", **kept}
    assert get().json["user"][0] == KEYS | changed


def test_password_that_is_given_is_the_one_to_sign_with(post, sign):
    post(password="secret")

    assert sign(passwd="dojot").status_code == 400
    assert sign(passwd="secret").status_code == 200


def test_password_is_never_shown_and_never_stored(post, get, installation):
    post(password="CANARY-1", clearPwd=True)

    assert "CANARY-1" not in get().text
    assert b"CANARY-1" not in installation.database_bytes()


def test_keys_nobody_knows_are_dropped(post, get, installation):
    """A57."""
    unknown = {"id": 7, "created": 1, "password_hash": "x", "is_admin": True, "email": "a@b", "nested": {"a": [1]}}

    assert post(**unknown, extendedInformation=[{"name": "x"}]).json == OK
    assert get().json["user"][0] == KEYS
    assert "evil" not in str(installation.sql("SELECT * FROM end_entities"))


@pytest.mark.parametrize("status", [11, 20, 30, 40, 50, 60, 70])
def test_status_of_a_new_end_entity_is_new_whatever_is_asked(post, get, status):
    """A57."""
    assert post(status=status).json == OK
    assert get().json["user"][0]["status"] == 10


@pytest.mark.parametrize("status", [10, 11, 20, 40, 50, 60])
def test_status_of_an_existing_end_entity_is_set(post, get, status):
    post()
    post(status=status)

    assert get().json["user"][0]["status"] == status


def test_posting_again_replaces_everything_and_arms_the_password_again(post, get, sign):
    """A58."""
    post(subjectDN="CN=other", sendNotification=True, password="secret")
    sign(passwd="secret")
    assert get().json["user"][0]["status"] == 40

    assert post().json == OK
    assert get().json["user"][0] == KEYS
    assert sign(passwd="secret", request=one_line(csr(signing_key=key(1)))).status_code == 400
    assert sign().status_code == 200


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"tokenType": "FLOPPY"}, "soap message: Error Token Type  FLOPPY does not exist."),
        ({"tokenType": "usergenerated"}, "soap message: Error Token Type  usergenerated does not exist."),
        ({"tokenType": "__class__"}, "soap message: Error Token Type  __class__ does not exist."),
        ({"certificateProfileName": "X"}, "soap message: Error Certificate profile X does not exist."),
        ({"certificateProfileName": "hierarchy"}, "soap message: Error Certificate profile hierarchy does not exist."),
        ({"endEntityProfileName": "X"}, "soap message: Error End Entity profile X does not exist."),
        ({"caName": "X"}, "soap message: CA with name X does not exist."),
        ({"caName": "IOTrootCA"}, "soap message: CA IOTrootCA signs other CAs only, no end entities."),
        ({"status": 12}, "soap message: There is no status 12."),
        (
            {"keyRecoverable": True},
            "soap message: Key recovery is not supported: the CA never has an end entity's key.",
        ),
        (
            {"subjectDN": "CN=x,O=evil+CN=admin"},
            "soap message: A multi-valued attribute (written with '+') is not accepted in a distinguished name.",
        ),
        (
            {"subjectDN": "O=x"},
            f"{VIOLATION} dn 'O=x': Subject DN field 'CN' must exist. Wrong number of O fields in Subject DN.",
        ),
        ({"certificateProfileName": ""}, "soap message: Error Certificate profile  does not exist."),
        ({"caName": ""}, "soap message: CA with name  does not exist."),
        ({"password": None}, f"{VIOLATION} dn 'CN=f60c28': Password cannot be empty or null."),
    ],
    ids=str,
)
def test_impossible_end_entity_is_refused_in_ejbcas_words(post, get, keys, message):
    """A07, A57."""
    assert refused(post(**keys), message)
    assert get().status_code == 404


@pytest.mark.parametrize(
    ("keys", "field"),
    [
        ({"username": 1}, "username"),
        ({"username": None}, "username"),
        ({"username": ["a"]}, "username"),
        ({"password": 1}, "password"),
        ({"password": {}}, "password"),
        ({"status": "x"}, "status"),
        ({"status": 1.5}, "status"),
        ({"status": None}, "status"),
        ({"caName": None}, "caName"),
        ({"caName": 1}, "caName"),
        ({"sendNotification": "maybe"}, "sendNotification"),
        ({"subjectDN": 1}, "subjectDN"),
    ],
    ids=str,
)
def test_field_of_the_wrong_type_is_refused_by_its_name(post, keys, field):
    """A38."""
    answer = post(**keys)

    assert answer.status_code == 400
    assert answer.json["message"].startswith(f"field {field}: ")


def test_body_without_a_name_is_refused_in_the_originals_words(client, admin):
    answer = client.post("/user", json={"password": "x"}, headers=admin)

    assert refused(answer, "required field usernamemissing.")


@pytest.mark.parametrize(
    "username", ["", " x", "a/b", "..", "a\0b", "a\nb", "a\u202eb", "e\u0301", "a" * 65], ids=ascii
)
def test_impossible_name_is_refused(post, installation, username):
    """A05, A09, A11."""
    assert post(username).status_code == 400
    assert installation.sql("SELECT * FROM end_entities") == []


@pytest.mark.parametrize("password", ["a\0b", "a" * 1025], ids=["NUL", "too long"])
def test_impossible_password_is_refused(post, get, password):
    """A45."""
    assert post(password=password).status_code == 400
    assert get().status_code == 404


def test_empty_password_is_refused_and_does_not_become_the_default(post, sign):
    """A45."""
    answer = post(password="")

    assert answer.status_code == 400
    assert sign().status_code == 400


def test_without_a_default_a_password_must_be_given(make_installation):
    """A52."""
    installation = make_installation(MIDCA_DEFAULT_PASSWORD="none")
    client = create_app(installation.services).test_client()
    headers = {"Authorization": f"Bearer {installation.settings.admin_token.read_text().strip()}"}

    answer = client.post("/user", json={"username": "f60c28"}, headers=headers)

    assert refused(answer, f"{VIOLATION} dn 'CN=f60c28': Password cannot be empty or null.")
    assert client.get("/user/f60c28", headers=headers).status_code == 404


def test_subject_another_end_entity_has_is_refused(post, get):
    """A13."""
    post("first", subjectDN="CN=shared")
    answer = post("second", subjectDN="CN=shared")

    assert answer.status_code == 400
    assert "same subject DN as the user(s) 'first'" in answer.json["message"]
    assert get("second").status_code == 404


@pytest.mark.both_databases
def test_subject_may_be_as_long_as_any_database_can_look_up(post, sign):
    """A09. PostgreSQL refused longer ones as if it were not at its best; letters of chance, for it packs others."""
    chance = random.Random(1)
    units = ["OU=" + "".join(chance.choices(ascii_letters, k=124)) for _ in range(15)]
    longest = ",".join(["CN=f60c28", *units, "O="])
    longest += "".join(chance.choices(ascii_letters, k=2048 - len(longest)))

    refused = post(subjectDN=longest + "x", endEntityProfileName="EMPTY", password="secret")
    assert (refused.status_code, "longer than 2048 bytes" in refused.json["message"]) == (400, True)
    assert post(subjectDN=longest, endEntityProfileName="EMPTY", password="secret").status_code == 200
    assert sign(passwd="secret").status_code == 200


@pytest.mark.parametrize("username", ["x,CN=admin", "tenant:device", "a=b", "é", "a b", "dev%31", "dev*"])
def test_name_is_taken_literally(post, get, username):
    """A06, A07, A12."""
    assert post(username).json == OK
    assert get(quote(username)).json["user"][0]["username"] == username


# GET


@pytest.mark.parametrize("username", ["f60c28", "dev%25", "dev_", "dev*", "F60C28"])
def test_unknown_end_entity_is_not_found(get, post, username):
    """A12."""
    post("dev1")

    answer = get(username)

    assert (answer.status_code, answer.json) == (404, {"message": "no certificates found", "status": 404})


def test_status_is_generated_after_signing(post, get, sign):
    post()
    sign()

    assert get().json["user"][0]["status"] == 40


# DELETE


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", RevocationReason.UNSPECIFIED),
        ("?reason=KEYCOMPROMISE", RevocationReason.KEYCOMPROMISE),
        ("?reason=superseded", RevocationReason.SUPERSEDED),
    ],
)
def test_end_entity_is_revoked_with_the_reason(client, admin, installation, query, reason):
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)

    answer = client.delete(f"/user/f60c28{query}", headers=admin)

    assert (answer.status_code, answer.json) == (200, OK)
    assert installation.services.end_entities.find("f60c28").status == 50
    assert [row.revocation_reason for row in installation.services.certificates.of_user("f60c28")] == [reason]


def test_revoking_again_is_no_error(client, admin, post):
    post()
    client.delete("/user/f60c28", headers=admin)

    assert client.delete("/user/f60c28", headers=admin).json == OK


@pytest.mark.parametrize("query", ["?delete=true", "?delete=True", "?delete=true&reason=KEYCOMPROMISE"])
def test_deleted_end_entity_is_gone_and_its_certificate_revoked(client, admin, installation, query):
    installation.add()
    installation.sign("f60c28", "dojot", REQUEST)

    assert client.delete(f"/user/f60c28{query}", headers=admin).json == OK
    assert client.get("/user/f60c28", headers=admin).status_code == 404
    assert [row.revoked for row in installation.services.certificates.of_user("f60c28")] == [True]


@pytest.mark.parametrize("value", ["TRUE", "1", "yes", "false", ""])
def test_only_true_deletes(client, admin, post, get, value):
    post()
    client.delete(f"/user/f60c28?delete={value}", headers=admin)

    assert get().status_code == 200


@pytest.mark.parametrize("reason", ["BAD", "", "1", "NOT-REVOKED"])
def test_unknown_reason_is_refused_and_nothing_revoked(client, admin, post, get, reason):
    post()

    answer = client.delete(f"/user/f60c28?reason={reason}", headers=admin)

    assert refused(answer, f"invalid revokation reason {reason}")
    assert get().json["user"][0]["status"] == 10


@pytest.mark.parametrize("reason", ["NOTREVOKED", "REMOVEFROMCRL"])
def test_reason_that_would_undo_a_revocation_is_refused(client, admin, post, get, reason):
    """A59."""
    post()

    assert client.delete(f"/user/f60c28?reason={reason}", headers=admin).status_code == 400
    assert get().json["user"][0]["status"] == 10


def test_unknown_end_entity_is_refused_in_ejbcas_words(client, admin):
    answer = client.delete("/user/nobody", headers=admin)

    assert refused(answer, "soap message: Wrong username or password")


def test_revoked_end_entity_does_not_enrol(client, admin, post, sign):
    """A60."""
    post()
    client.delete("/user/f60c28", headers=admin)

    assert "REVOKED (50)" in sign().json["message"]


@pytest.fixture
def at_random(make_installation):
    """A client of an installation that makes passwords, and its admin's headers."""
    installation = make_installation(MIDCA_DEFAULT_PASSWORD="random")
    token = installation.settings.admin_token.read_text().strip()
    return create_app(installation.services).test_client(), {"Authorization": f"Bearer {token}"}


def test_a_random_password_is_told_once_and_enrols(at_random):
    client, admin = at_random
    answer = client.post("/user", json={"username": "f60c28"}, headers=admin)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    password = answer.json["password"]
    assert client.get("/user/f60c28", headers=admin).json["user"][0]["password"] is None

    for guess, status in (("dojot", 400), (password, 200)):
        assert client.post("/sign/f60c28/pkcs10", json={"passwd": guess, "certificate": REQUEST}).status_code == status


def test_a_password_that_is_given_is_not_told_and_none_is_made_where_the_profile_wants_one(at_random):
    client, admin = at_random

    assert client.post("/user", json={"username": "f60c28", "password": "its own"}, headers=admin).json == OK
    body = {"username": "aaaaa", "endEntityProfileName": "EMPTY"}
    assert client.post("/user", json=body, headers=admin).status_code == 400
