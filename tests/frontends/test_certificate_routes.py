"""``/ca/<issuer>/certificate/<serial>`` and ``/user/<username>/find`` as EJBCA-REST documents them."""

import base64

import pytest

from app.pki.revocation import RevocationReason
from tests.builders import csr, one_line

DN = "CN=IOTmidCA,O=EJBCA IOT,C=SE"
NEVER = "1969-12-31T23:59:59.999000+00:00"


@pytest.fixture
def serial(installation) -> str:
    installation.add()
    return installation.sign("f60c28", "dojot", one_line(csr())).serial


@pytest.fixture
def der(installation, serial) -> str:
    stored = installation.services.certificates.find("IOTmidCA", serial)
    return base64.b64encode(stored.certificate).decode()


def status(client, serial, issuer=DN):
    return client.get(f"/ca/{issuer}/certificate/{serial}/status").json["status"]


@pytest.mark.parametrize(
    "issuer",
    [
        "IOTmidCA",
        DN,
        "C=SE,O=EJBCA IOT,CN=IOTmidCA",
        "cn=iotmidca, o=ejbca iot, c=se",
        "CN=IOTmidCA,O=EJBCA",
        "CN=IOTmidCA,O=EJBCA%20IOT,C=SE",
        "CN=IOTmid\\43A,O=EJBCA IOT,C=SE",
    ],
)
def test_the_issuer_is_a_name_or_a_dn_however_written(client, admin, serial, der, issuer):
    answer = client.get(f"/ca/{issuer}/certificate/{serial}", headers=admin)
    rendered = {"certificate": None, "keyStore": None, "type": 0, "certificateData": der}
    assert answer.json == {"certificate": {**rendered, "return": rendered}}


@pytest.mark.parametrize("issuer", ["CN=IOTmid,O=EJBCA IOT,C=SE", "O=EJBCA IOT,C=SE", "CN=", "=", "PROTOCOL"])
def test_another_issuer_is_no_ca_of_ours(client, admin, serial, issuer):
    answer = client.get(f"/ca/{issuer}/certificate/{serial}", headers=admin)
    assert (answer.status_code, answer.json["message"]) == (
        400,
        f"soap message: CA with name {issuer} does not exist.",
    )


@pytest.mark.parametrize("spelling", [str.lower, str.upper, lambda serial: "000" + serial])
def test_the_serial_is_hex_in_any_case_with_leading_zeros(client, admin, serial, spelling):
    assert client.get(f"/ca/IOTmidCA/certificate/{spelling(serial)}", headers=admin).status_code == 200


@pytest.mark.parametrize("spelling", [lambda serial: str(int(serial, 16)) + "z", lambda s: "0x" + s, lambda s: "-" + s])
def test_another_spelling_of_a_serial_is_refused_and_never_hits(client, admin, serial, spelling):
    assert client.delete(f"/ca/IOTmidCA/certificate/{spelling(serial)}", headers=admin).status_code == 400
    assert status(client, serial)["reason"] == "NOTREVOKED"


def test_a_good_and_an_unknown_certificate_have_the_historical_status(client, serial):
    for known in (serial, "ABCDEF"):
        assert {key: status(client, known)[key] for key in ("reason", "date")} == {
            "reason": "NOTREVOKED",
            "date": NEVER,
        }


def test_an_unknown_certificate_is_not_found(client, admin, serial):
    answer = client.get("/ca/IOTmidCA/certificate/ABCDEF", headers=admin)
    assert (answer.status_code, answer.json["message"]) == (404, "no certificates found")


def test_a_serial_of_another_ca_is_not_revoked(client, admin, serial):
    answer = client.delete(f"/ca/IOTrootCA/certificate/{serial}", headers=admin)
    assert answer.status_code == 400
    assert answer.json["message"] == (
        f"soap message: Could not find end entity certificate. Issuer CN=IOTrootCA,O=EJBCA IOT,C=SE, serialNo {serial}."
    )
    assert status(client, serial)["reason"] == "NOTREVOKED"


@pytest.mark.parametrize("reason", [reason for reason in RevocationReason if reason not in {-1, 8}])
def test_every_reason_revokes(client, admin, serial, reason):
    answer = client.delete(f"/ca/{DN}/certificate/{serial}?reason={reason.name}", headers=admin)
    assert (answer.status_code, answer.json) == (200, {"message": "ok", "status": 200})
    shown = status(client, serial)
    assert (shown["reason"], shown["return"]["reason"]) == (reason.name, int(reason))
    assert shown["date"] != NEVER


@pytest.mark.parametrize(
    ("acts", "last_message"),
    [
        (["KEYCOMPROMISE", "KEYCOMPROMISE"], "Certificate is already revoked. Issuer: '{dn}', serno: {serial}."),
        (["CERTIFICATEHOLD", "CERTIFICATEHOLD"], "Certificate is already revoked. Issuer: '{dn}', serno: {serial}."),
        (["SUPERSEDED", "NOTREVOKED"], "Not allowed to unrevoke a certificate that is not on hold. {where}"),
        (["REMOVEFROMCRL"], "Not allowed to unrevoke a certificate that is not on hold. {where}"),
        (["CERTIFICATEHOLD", "NOTREVOKED"], None),
        (["CERTIFICATEHOLD", "REMOVEFROMCRL"], None),
        (["CERTIFICATEHOLD", "KEYCOMPROMISE"], None),
        (["CERTIFICATEHOLD", "NOTREVOKED", "CERTIFICATEHOLD"], None),
    ],
)
def test_the_legal_transitions(client, admin, serial, acts, last_message):
    *first, last = acts
    for reason in first:
        assert client.delete(f"/ca/{DN}/certificate/{serial}?reason={reason}", headers=admin).status_code == 200
    answer = client.delete(f"/ca/{DN}/certificate/{serial}?reason={last}", headers=admin)
    if last_message is None:
        assert answer.status_code == 200
    else:
        expected = last_message.format(dn=DN, serial=serial, where=f"Issuer {DN}, serialNo {serial}.")
        assert (answer.status_code, answer.json["message"]) == (400, f"soap message: {expected}")


def test_an_unknown_reason_is_refused_in_the_original_words(client, admin, serial):
    answer = client.delete(f"/ca/{DN}/certificate/{serial}?reason=FOO", headers=admin)
    assert (answer.status_code, answer.json["message"]) == (400, "invalid revokation reason FOO")


def test_find_lists_good_certificates_and_with_valid_false_all(client, admin, serial, der):
    rendered = {"certificate": None, "keyStore": None, "type": 0, "certificateData": der}
    assert client.get("/user/f60c28/find", headers=admin).json == {"certs": [rendered]}
    client.delete(f"/ca/{DN}/certificate/{serial}", headers=admin)
    answer = client.get("/user/f60c28/find", headers=admin)
    assert (answer.status_code, answer.json["message"]) == (404, "no certificates found")
    assert client.get("/user/f60c28/find?valid=false", headers=admin).json == {"certs": [rendered]}


def test_revoking_the_user_revokes_its_certificate_and_no_password_signs_until_rearmed(
    installation, client, admin, serial
):
    assert client.delete("/user/f60c28?reason=CESSATIONOFOPERATION", headers=admin).status_code == 200
    assert status(client, serial)["reason"] == "CESSATIONOFOPERATION"
    body = {"passwd": "dojot", "certificate": one_line(csr())}
    answer = client.post("/sign/f60c28/pkcs10", json=body)
    assert answer.json["message"] == (
        "soap message: Got request with status REVOKED (50), NEW, FAILED or INPROCESS required: f60c28."
    )
    client.post("/user", json={"username": "f60c28"}, headers=admin)
    assert client.post("/sign/f60c28/pkcs10", json=body).status_code == 200


def test_revoking_the_user_ends_a_hold_for_good(client, admin, serial):
    client.delete(f"/ca/{DN}/certificate/{serial}?reason=CERTIFICATEHOLD", headers=admin)
    client.delete("/user/f60c28?reason=KEYCOMPROMISE&delete=true", headers=admin)
    assert status(client, serial)["reason"] == "KEYCOMPROMISE"
    assert client.delete(f"/ca/{DN}/certificate/{serial}?reason=NOTREVOKED", headers=admin).status_code == 400


def test_the_certificate_of_a_ca_is_not_revoked_by_the_way(installation, client, admin):
    mid = installation.services.certificates.own_of_authority("IOTmidCA")
    answer = client.delete(f"/ca/IOTrootCA/certificate/{mid.serial}?reason=CACOMPROMISE", headers=admin)
    assert answer.status_code == 400
    assert status(client, mid.serial, "IOTrootCA")["reason"] == "NOTREVOKED"
