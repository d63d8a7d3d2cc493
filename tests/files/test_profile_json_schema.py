"""The schema that editors get: what it refuses, the loader refuses, and the shipped files are held against it."""

import json

import jsonschema
import pytest
import yaml

from app.files.profile_files import HIERARCHY_FILE
from app.files.profile_json_schema import SCHEMA_FILE, profile_json_schema
from app.settings import shipped
from tests.files.test_profile_files import VALID

SHIPPED = sorted(path for path in shipped("profiles").glob("*.yaml") if path.name != HIERARCHY_FILE)
SCHEMA = json.loads(profile_json_schema())


def valid(document) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_shipped_schema_is_the_one_the_code_makes():
    """``midca profile schema > profiles/profile.schema.json`` writes it anew."""
    assert (shipped("profiles") / SCHEMA_FILE).read_text() == profile_json_schema()


def test_schema_is_one():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profile_fits_the_schema_and_names_it(path):
    assert valid(yaml.safe_load(path.read_text()))
    assert path.read_text().startswith(f"# yaml-language-server: $schema={SCHEMA_FILE}\n")


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
