"""``profiles/end_entities/``: what is read, what stops the start, and that schema, document and files say the same."""

import json
import re
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml

from app.errors import ConfigurationError
from app.files.end_entity_profile_files import (
    END_ENTITIES,
    END_ENTITY_SCHEMA_FILE,
    end_entity_profile_json_schema,
    end_entity_profile_keys_table,
    load_end_entity_profile,
    load_end_entity_profiles,
)
from app.files.end_entity_profile_schema import EndEntityProfileSchema
from app.pki.end_entity import TokenType
from app.settings import Settings, shipped
from tests.builders import profiles_directory

SHIPPED = sorted((shipped("profiles") / END_ENTITIES).glob("*.yaml"))
SCHEMA = json.loads(end_entity_profile_json_schema())
DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "profiles.md").read_text()
EXAMPLES = {name: field.metadata["example"] for name, field in EndEntityProfileSchema().fields.items()}
VALID = {
    "username": {"pattern": "[a-f0-9]{6}"},
    "subject": {"attributes": [{"name": "CN", "min": 1}, {"name": "O", "pattern": "Plant [0-9]"}]},
    "certificate_profiles": {"default": "CFREE", "allowed": "any"},
    "cas": {"default": "IOTmidCA", "allowed": ["IOTmidCA"]},
    "token_types": {"allowed": ["USERGENERATED"]},
    "password": {"default": False, "min_length": 12},
    "enrolment_window": "7d",
}
MALFORMED = [
    ({"unknown": 1}, "unknown"),
    ({"username": "some"}, "username"),
    ({"username": {"max": 65}}, "username.max"),
    ({"subject": {"attributes": [{"name": "XX"}]}}, "subject.attributes.0.name"),
    ({"subject": {"attributes": [{"name": "CN", "max": 0}]}}, "subject.attributes.0.max"),
    ({"certificate_profiles": {"default": "CFREE"}}, "certificate_profiles.allowed"),
    ({"certificate_profiles": {"default": "CFREE", "allowed": []}}, "certificate_profiles.allowed"),
    ({"cas": {"allowed": "any"}}, "cas.default"),
    ({"cas": {"default": "IOTmidCA", "allowed": None}}, "cas.allowed"),
    ({"token_types": {"allowed": ["FLOPPY"]}}, "token_types.allowed"),
    ({"password": {}}, "password.default"),
    ({"password": {"default": False, "min_length": 33}}, "password.min_length"),
    ({"enrolment_window": 0}, "enrolment_window"),
    ({"enrolment_window": None}, "enrolment_window"),
]
CONTRADICTIONS = [
    ({"username": {"pattern": "(a+)+"}}, "username.pattern", "repeats a group"),
    ({"subject": {"attributes": [{"name": "CN", "min": 3, "max": 2}]}}, "subject.attributes.0", "min is greater"),
    ({"subject": {"attributes": [{"name": "CN", "min": 1}] * 2}}, "subject", "there twice"),
    ({"subject": {"attributes": [{"name": "O"}]}}, "subject", "CN is not allowed"),
    ({"subject": {"attributes": [{"name": "CN"}]}}, "subject", "CN has min 0"),
    ({"subject": {"others": True, "default": "O={username}"}}, "subject", "the default has no CN"),
    ({"subject": {"others": True, "default": "CN=device"}}, "subject", "the same name"),
    ({"subject": {"others": True, "default": "{username}"}}, "subject", "no attribute"),
    ({"subject": {"attributes": [{"name": "CN", "min": 1}, {"name": "O", "min": 1}]}}, "subject", "default has 0 O"),
    (
        {"subject": {"attributes": [{"name": "CN", "min": 1}], "default": "CN={username},C=SE"}},
        "subject",
        "the default has C, which",
    ),
    ({"certificate_profiles": {"default": "CFREE", "allowed": ["A"]}}, "certificate_profiles", "CFREE is not allowed"),
    ({"cas": {"default": "IOTmidCA", "allowed": ["A"]}}, "cas", "IOTmidCA is not allowed"),
    ({"token_types": {"default": "P12", "allowed": ["PEM"]}}, "token_types", "P12 is not allowed"),
    ({"password": {"default": True, "min_length": 6}}, "password", "would be refused"),
    ({"password": {"default": True, "refuse_guessable": True}}, "password", "would be refused"),
    ({"enrolment_window": "2030-12-31"}, "enrolment_window", "nor a length"),
]


@pytest.fixture
def write(tmp_path):
    directory = profiles_directory(tmp_path / "profiles") / END_ENTITIES
    directory.mkdir()

    def write(document, name="DEVICES"):
        path = directory / f"{name}.yaml"
        path.write_text(document if isinstance(document, str) else yaml.safe_dump(document, sort_keys=False))
        return path

    return write


def valid(document) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(document)


def test_profile_is_read_with_its_defaults(write):
    profile = load_end_entity_profile(write(VALID))

    assert profile.name == "DEVICES"
    assert profile.enrolment_window.length == timedelta(days=7)
    assert profile.certificate_profiles.allowed is None
    assert profile.token_types.default is TokenType.USERGENERATED
    assert profile.password.default is False


@pytest.mark.parametrize(("change", "key"), MALFORMED, ids=str)
def test_malformed_value_is_refused_by_file_key_and_line(write, change, key):
    path = write(VALID | change)

    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: {re.escape(key)}.*\(line \d+\)"):
        load_end_entity_profile(path)


@pytest.mark.parametrize(("change", "key", "sentence"), CONTRADICTIONS, ids=str)
def test_contradiction_is_refused_by_file_key_and_line(write, change, key, sentence):
    path = write(VALID | change)
    top = key.partition(".")[0]
    line = next(number for number, text in enumerate(path.read_text().splitlines(), 1) if text.startswith(f"{top}:"))

    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: {re.escape(key)}: .*{sentence}") as error:
        load_end_entity_profile(path)
    if key == top:
        assert f"(line {line})" in str(error.value)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"certificate_profiles": {"default": "NONE", "allowed": "any"}}, "certificate_profiles: there is no NONE"),
        (
            {"certificate_profiles": {"default": "CFREE", "allowed": ["CFREE", "NONE"]}},
            "certificate_profiles: there is no NONE",
        ),
        ({"certificate_profiles": {"default": "sub-ca", "allowed": "any"}}, "certificate_profiles: there is no sub-ca"),
        ({"cas": {"default": "NoCA", "allowed": "any"}}, "cas: there is no NoCA"),
    ],
    ids=str,
)
def test_name_of_nothing_beside_it_is_refused(write, change, key):
    path = write(VALID | change)

    assert load_end_entity_profile(path)
    with pytest.raises(ConfigurationError, match=rf"DEVICES\.yaml: {key} beside it \(line \d+\)"):
        load_end_entity_profiles(path.parent)


def test_directory_without_a_profile_is_refused(write, tmp_path):
    with pytest.raises(ConfigurationError, match="no end entity profile"):
        load_end_entity_profiles(tmp_path / "profiles" / END_ENTITIES)


def test_hidden_file_is_left_alone_and_one_that_would_be_ignored_is_refused(write, tmp_path):
    path = write(VALID)
    for stray in (".#A.yaml", "._A.yaml", ".A.yaml.swp", "A.yaml~"):
        (path.parent / stray).write_bytes(b"\xff")

    assert load_end_entity_profiles(path.parent).keys() == {path.stem}
    (path.parent / "B.yml").write_text("")
    with pytest.raises(ConfigurationError, match=r"B\.yml: only files that end in \.yaml"):
        load_end_entity_profiles(path.parent)


def test_profiles_of_an_older_directory_are_the_shipped_ones(tmp_path):
    profiles_directory(tmp_path / "profiles")
    settings = Settings.from_environment({"MIDCA_PROFILES": str(tmp_path / "profiles")})

    assert settings.end_entity_profiles == shipped("profiles") / END_ENTITIES
    (tmp_path / "profiles" / END_ENTITIES).mkdir()
    assert settings.end_entity_profiles == tmp_path / "profiles" / END_ENTITIES


def test_shipped_profile_is_dojots():
    profile = load_end_entity_profiles(shipped("profiles") / END_ENTITIES)["EMPTY_CFREE"]

    assert [(field.describe()) for field in profile.subject.fields] == ["CN 1"]
    assert not profile.subject.others
    assert (profile.certificate_profiles.default, profile.certificate_profiles.allowed) == ("CFREE", {"CFREE"})
    assert (profile.cas.default, profile.cas.allowed) == ("IOTmidCA", None)
    assert (profile.token_types.default, profile.token_types.allowed) == (TokenType.USERGENERATED, set(TokenType))
    assert profile.password.default
    assert profile.enrolment_window.length is None


# The schema for editors, and the document


def test_shipped_schema_is_the_one_the_code_makes():
    """``midca entity-profile schema > profiles/end_entity_profile.schema.json`` writes it anew."""
    assert (shipped("profiles") / END_ENTITY_SCHEMA_FILE).read_text() == end_entity_profile_json_schema()
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_profile_fits_the_schema_and_names_it(path):
    assert valid(yaml.safe_load(path.read_text()))
    assert path.read_text().startswith(f"# yaml-language-server: $schema=../{END_ENTITY_SCHEMA_FILE}\n")


def test_schema_refuses_what_the_loader_refuses():
    assert valid(VALID)
    assert [change for change, _ in MALFORMED if valid(VALID | change)] == []


def test_document_holds_the_table_of_the_schema():
    assert end_entity_profile_keys_table() in DOCUMENT


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_document_names_every_shipped_profile(path):
    assert re.search(rf"^\| `{path.stem}` \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("key", EXAMPLES)
def test_example_of_a_key_is_good(key, write):
    assert load_end_entity_profile(write(VALID | {key: EXAMPLES[key]}))
