import re

import pytest
import yaml

from app.errors import ConfigurationError
from app.files.profile_files import load_profile, load_profiles
from app.settings import shipped

VALID = {
    "key": {"rsa": {"min": 2048, "max": 4096}},
    "signature_hash": "SHA256",
    "validity": 730,
    "backdate": 10,
    "subject": "entity",
    "alternative_names": {"dns": True, "ip": True, "max": 100},
    "key_usage": {"bits": ["digitalSignature"], "critical": False},
    "extended_key_usage": ["clientAuth"],
    "basic_constraints": {"ca": False, "critical": False},
    "cas": "any",
}


@pytest.fixture
def write(tmp_path):
    def write(document):
        path = tmp_path / "DEVICES.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
        return path

    return write


def test_valid_profile_is_named_for_its_file(write):
    profile = load_profile(write(VALID))

    assert profile.name == "DEVICES"
    assert profile.validity.validity.days == 730
    assert profile.cas is None


def test_hash_of_a_profile_changes_with_its_file(write):
    before = load_profile(write(VALID)).sha256

    assert load_profile(write(VALID | {"validity": 731})).sha256 != before


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"unknown": 1}, "unknown"),
        ({"key": {"rsa": {"min": 2048, "max": 4096, "unknown": 1}}}, "key.rsa.unknown"),
        ({"validity": 0}, "validity"),
        ({"validity": -1}, "validity"),
        ({"validity": 10**6}, "validity"),
        ({"validity": 1.5}, "validity"),
        ({"backdate": 61}, "backdate"),
        ({"backdate": -1}, "backdate"),
        ({"key_usage": {"bits": ["digitalSignature", "keyCertSign"], "critical": False}}, "key_usage"),
        ({"key_usage": {"bits": ["cRLSign"], "critical": False}}, "key_usage"),
        ({"key_usage": {"bits": ["unknown"], "critical": False}}, "key_usage.bits"),
        ({"key_usage": {"bits": [], "critical": False}}, "key_usage.bits"),
        ({"basic_constraints": {"ca": True, "critical": True}}, "basic_constraints.ca"),
        ({"key": {"rsa": {"min": 4096, "max": 2048}}}, "key.rsa"),
        ({"key": {"rsa": {"min": 1024, "max": 2048}}}, "key.rsa.min"),
        ({"key": {"rsa": {"min": 2048, "max": 16384}}}, "key.rsa.max"),
        ({"key": {"curves": ["secp256k1"]}}, "key.curves"),
        ({"key": {}}, "key"),
        ({"signature_hash": "SHA1"}, "signature_hash"),
        ({"subject": "request"}, "subject"),
        ({"extended_key_usage": ["anyExtendedKeyUsage"]}, "extended_key_usage"),
        ({"extended_key_usage": ["ocspSigning"]}, "extended_key_usage"),
        ({"alternative_names": {"dns": True, "ip": True, "uri": True}}, "alternative_names.uri"),
        ({"alternative_names": {"dns": True, "ip": True, "max": 0}}, "alternative_names.max"),
        ({"cas": []}, "cas"),
        ({"cas": "IOTmidCA"}, "cas"),
        ({"cas": [1]}, "cas"),
    ],
    ids=str,
)
def test_profile_that_makes_no_sense_is_refused_by_file_and_key(write, change, key):
    """A23, A72."""
    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: (.*; )?{re.escape(key)}[:.]"):
        load_profile(write(VALID | change))


@pytest.mark.parametrize("key", [key for key in VALID if key not in {"backdate", "extended_key_usage"}])
def test_profile_without_a_necessary_key_is_refused_by_its_name(write, key):
    with pytest.raises(ConfigurationError, match=f"DEVICES.yaml: {key}:"):
        load_profile(write({name: value for name, value in VALID.items() if name != key}))


def test_key_that_is_there_twice_is_refused(write):
    with pytest.raises(ConfigurationError, match="'validity' is there twice"):
        load_profile(write(yaml.safe_dump(VALID) + "validity: 36500\n"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "- a",
        "text",
        "a: [",
        "\0",
        "!!python/object/apply:os.getcwd []",
        "? [a]\n: b",
        "&a [*a]",
        "a: 1\n---\nb: 2",
    ],
)
def test_file_that_is_no_profile_at_all_is_refused(write, text):
    with pytest.raises(ConfigurationError, match=r"DEVICES\.yaml"):
        load_profile(write(text))


def test_directory_without_a_profile_is_refused(tmp_path):
    (tmp_path / "hierarchy.yaml").write_text("cas: []")

    with pytest.raises(ConfigurationError, match="no certificate profile"):
        load_profiles(tmp_path)


def test_shipped_profile_is_dojots():
    profile = load_profiles(shipped("profiles"))["CFREE"]

    assert profile.validity.validity.days == 730
    assert (profile.key.rsa_min_bits, profile.key.rsa_max_bits) == (2048, 8192)
    assert profile.extended_key_usage.usages == ()
    assert not profile.key_usage.critical
