"""The schema that editors get: what it refuses, the loader refuses, and the shipped files are held against it."""

import json

import jsonschema
import pytest
import yaml

from app.files.profile_files import HIERARCHY_FILE
from app.files.profile_schemas import SCHEMA_FILES, profile_json_schema
from app.pki.profile_rules import ProfileType
from app.settings import shipped
from tests.files.test_profile_files import VALID

SHIPPED = sorted(path for path in shipped("profiles").glob("*.yaml") if path.name != HIERARCHY_FILE)
SCHEMA = json.loads(profile_json_schema())


def valid(document) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


@pytest.mark.parametrize("of_type", ProfileType, ids=str)
def test_shipped_schema_is_the_one_the_code_makes(of_type):
    """``midca profile schema > profiles/profile.schema.json`` writes it anew, with ``--type`` the others."""
    text = profile_json_schema(of_type)

    assert (shipped("profiles") / SCHEMA_FILES[of_type]).read_text() == text
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profile_fits_the_schema_and_names_it(path):
    document = yaml.safe_load(path.read_text())
    of_type = ProfileType(document.get("type", "end_entity"))

    jsonschema.validate(document, json.loads(profile_json_schema(of_type)), jsonschema.Draft202012Validator)
    assert path.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_FILES[of_type]}\n")


@pytest.mark.parametrize(
    "change",
    [
        {"unknown": 1},
        {"validity": 0},
        {"key": {"rsa": {"min": 1024, "max": 2048}}},
        {"subject": "request"},
        {"alternative_names": {"dns": "yes"}},
        {"extended_key_usage": "clientAuth"},
        {"cas": []},
        {"cas": "IOTmidCA"},
        {"extensions": [{"oid": "1.2.3"}]},
        {"type": "ca"},
        {"no_end_on": ["someday"]},
    ],
    ids=str,
)
def test_schema_refuses_what_the_loader_refuses(change):
    assert valid(VALID)
    assert not valid(VALID | change)


@pytest.mark.parametrize(
    "change",
    [
        {"subject": {"template": "CN={username}"}},
        {"extended_key_usage": {"usages": ["clientAuth"], "critical": True}},
        {"validity": "2y"},
        {"alternative_names": {"dns": ["a"], "ip": ["10.0.0.0/8"]}},
        {"cas": ["IOTmidCA"]},
    ],
    ids=str,
)
def test_schema_takes_both_ways_of_writing(change):
    assert valid(VALID | change)
