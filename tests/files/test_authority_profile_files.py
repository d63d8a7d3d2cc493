"""The profiles by which the program makes its own CAs and responders: what makes no sense names file and key."""

import re

import pytest
import yaml
from cryptography import x509

from app.errors import ConfigurationError
from app.files.profile_files import OWN_PROFILES, load_profile, load_profiles
from app.pki.profile_rules import ProfileType
from app.settings import shipped
from tests.builders import HIERARCHY, profiles_directory
from tests.files.test_profile_files import STATIC, VALID

CA = yaml.safe_load((shipped("profiles") / "sub-ca.yaml").read_text())
RESPONDER = yaml.safe_load((shipped("profiles") / "ocsp-responder.yaml").read_text())


@pytest.fixture
def write(tmp_path):
    def write(document, name="OWN"):
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document))
        return path

    return write


def permitted(**kinds) -> dict:
    return {"name_constraints": {"permitted": kinds}}


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"key": {"curves": ["P-256"]}}, "key", "Unknown field"),
        ({"subject": "entity"}, "subject", "Unknown field"),
        ({"validity": 0}, "validity", "one minute"),
        ({"validity": "2030-12-31"}, "validity", "neither a number of days"),
        ({"basic_constraints": {"ca": False, "critical": True}}, "basic_constraints.ca", "a CA is one"),
        ({"basic_constraints": {"ca": True, "critical": False}}, "basic_constraints.critical", "RFC 5280"),
        ({"basic_constraints": {"ca": True, "critical": True, "pathlen": -1}}, "basic_constraints.pathlen", "0"),
        ({"key_usage": {"bits": ["keyCertSign"], "critical": True}}, "key_usage", "cRLSign and keyCertSign"),
        (
            {"key_usage": {"bits": ["keyCertSign", "cRLSign", "keyEncipherment"], "critical": True}},
            "key_usage",
            "nothing else: keyEncipherment",
        ),
        ({"extensions": [{"oid": "2.5.29.30", "der": "3000"}]}, "extensions", "CA's alone"),
        ({"extensions": [STATIC, STATIC]}, "extensions", "twice"),
        ({"policies": [{"oid": "1.2.3"}, {"oid": "1.2.3"}]}, "policies", "twice"),
        (permitted(dns=["*.example"]), "name_constraints.permitted.dns", "no host name"),
        (permitted(dns=[]), "name_constraints.permitted.dns", "list of texts"),
        (permitted(ip=["10.0.0.1/8"]), "name_constraints.permitted.ip", "host bits"),
        (permitted(email=["@example"]), "name_constraints.permitted.email", "no host name"),
        (permitted(uri=["https://a.example"]), "name_constraints.permitted.uri", "no host name"),
        (permitted(directory=["nonsense"]), "name_constraints.permitted.directory", "no attribute"),
        (permitted(upn=["a"]), "name_constraints.permitted.upn", "Unknown field"),
    ],
    ids=str,
)
def test_profile_of_cas_that_makes_no_sense_is_refused(write, change, key, reason):
    with pytest.raises(ConfigurationError, match=rf"OWN\.yaml: (.*; )?{re.escape(key)}: [^;]*{re.escape(reason)}"):
        load_profile(write(CA | change))


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"basic_constraints": {"ca": True, "critical": True}}, "basic_constraints.ca", "makes no CA"),
        ({"key_usage": {"bits": ["nonRepudiation"], "critical": True}}, "key_usage", "needs digitalSignature"),
        (
            {"key_usage": {"bits": ["digitalSignature", "cRLSign"], "critical": True}},
            "key_usage",
            "nothing else: cRLSign",
        ),
        ({"extended_key_usage": ["OCSPSigning", "1.3.6.1.5.5.7.3.1"]}, "extended_key_usage", "nothing else"),
        ({"extended_key_usage": []}, "extended_key_usage", "nothing else"),
        ({"ocsp_nocheck": False}, "ocsp_nocheck", "nobody can tell"),
        ({"validity": "12h"}, "validity", "too often"),
        ({"validity": "2030-12-31"}, "validity", "neither a number of days"),
        ({"name_constraints": {}}, "name_constraints", "Unknown field"),
    ],
    ids=str,
)
def test_profile_of_responders_that_makes_no_sense_is_refused(write, change, key, reason):
    with pytest.raises(ConfigurationError, match=rf"OWN\.yaml: (.*; )?{re.escape(key)}: [^;]*{re.escape(reason)}"):
        load_profile(write(RESPONDER | change))


def test_constraints_of_every_kind_are_read(write):
    kinds = {
        "dns": ["a.example"],
        "ip": ["10.0.0.0/8", "2001:db8::/32"],
        "email": ["a@b.example", "b.example", ".b.example"],
        "uri": ["b.example", ".b.example"],
        "directory": ["O=dojot"],
    }

    rule = load_profile(write(CA | {"name_constraints": {"permitted": kinds, "excluded": kinds}})).name_constraints

    assert len(rule.permitted) == len(rule.excluded) == 9
    assert isinstance(rule.value, x509.NameConstraints)
    assert "only dns:a.example, ip:10.0.0.0/8" in rule.describe()
    assert "never " in rule.describe()


def test_directory_without_them_has_the_shipped_ones(tmp_path, write):
    write(VALID, "A")
    write(CA | {"validity": "1y"}, "sub-ca")

    found = load_profiles(tmp_path)

    assert found.keys() == {"A", *OWN_PROFILES}
    assert found["sub-ca"].validity.validity.days == 365
    assert found["root-ca"] == load_profile(shipped("profiles") / "root-ca.yaml")
    assert found["ocsp-responder"].type is ProfileType.OCSP_RESPONDER


@pytest.mark.parametrize(
    ("named", "reason"), [("CFREE", "no CFREE of type ca"), ("None", "no None of type ca")], ids=str
)
def test_hierarchy_names_a_profile_of_cas_that_is_there(tmp_path, named, reason):
    hierarchy = HIERARCHY.replace("pathlen: 0", f"pathlen: 0\n        profile: {named}")
    profiles_directory(tmp_path, hierarchy=hierarchy)

    with pytest.raises(ConfigurationError, match=rf"hierarchy\.yaml: IOTmidCA: profile: there is {reason}"):
        load_profiles(tmp_path)


@pytest.mark.parametrize(("name", "document"), [("ocsp-responder", CA), ("other", RESPONDER)], ids=str)
def test_there_is_one_profile_of_responders_and_it_has_its_name(tmp_path, name, document):
    profiles_directory(tmp_path)
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(document))

    with pytest.raises(ConfigurationError, match=rf"{name}\.yaml: type: ocsp_responder is the type of ocsp-responder"):
        load_profiles(tmp_path)
