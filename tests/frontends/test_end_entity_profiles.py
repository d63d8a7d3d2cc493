"""End entity profiles as a client of EJBCA-REST meets them."""

import pytest

from app.files.end_entity_profile_files import END_ENTITIES
from tests.builders import csr, one_line
from tests.operations.test_end_entity_profiles import PASSWORD, SEVEN_DAYS, own_profiles

BODY = {"passwd": PASSWORD, "certificate": one_line(csr())}


@pytest.fixture
def post(installation, client, admin):
    own_profiles(installation, DEVICES=SEVEN_DAYS)

    def post(**keys):
        body = {"username": "f60c28", "endEntityProfileName": "DEVICES", "password": PASSWORD, **keys}
        return client.post("/user", json=body, headers=admin)

    return post


def test_keys_that_are_left_out_are_the_profiles(post, client, admin):
    assert post().json == {"message": "ok", "status": 200}

    shown = client.get("/user/f60c28", headers=admin).json["user"][0]
    assert (shown["subjectDN"], shown["certificateProfileName"]) == ("CN=f60c28,O=Plant 1", "broker")
    assert (shown["tokenType"], shown["endEntityProfileName"]) == ("PEM", "DEVICES")


def test_refusal_names_every_broken_rule_and_not_the_password(post):
    answer = post(password="dojot-9", tokenType="P12")

    assert answer.status_code == 400
    assert answer.json["message"] == (
        "soap message: Userdata did not fulfill end entity profile DEVICES, dn 'CN=f60c28,O=Plant 1': The password is "
        "shorter than 12 characters. Soft token type is not available in End Entity Profile."
    )


def test_password_whose_window_is_over_is_refused_with_a_sentence(post, client, installation):
    post(certificateProfileName="CFREE", tokenType="USERGENERATED")
    installation.clock.advance(days=7)

    answer = client.post("/sign/f60c28/pkcs10", json=BODY)

    assert answer.status_code == 400
    assert answer.json["message"].startswith("soap message: The password of f60c28 was good until ")


def test_profile_that_is_gone_refuses_in_ejbcas_words(post, client, installation):
    post(certificateProfileName="CFREE", tokenType="USERGENERATED")
    (installation.base / "profiles" / END_ENTITIES / "DEVICES.yaml").unlink()
    installation.services.profiles.reload()

    answer = client.post("/sign/f60c28/pkcs10", json=BODY)

    assert (answer.status_code, answer.json["message"]) == (
        400,
        "soap message: Error End Entity profile DEVICES does not exist.",
    )
