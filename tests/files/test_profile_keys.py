"""``docs/profiles.md`` says of every key what the schema says, and its examples are good."""

import re
from pathlib import Path

import pytest
import yaml

from app.files.profile_files import load_profile, load_profiles
from app.files.profile_keys import profile_keys_table
from app.files.profile_schema import ProfileSchema
from app.settings import shipped
from tests.files.test_profile_files import VALID

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "profiles.md").read_text()
EXAMPLES = {name: field.metadata["example"] for name, field in ProfileSchema().fields.items()}


def test_document_holds_the_table_of_the_schema():
    assert profile_keys_table() in DOCUMENT


def test_every_key_says_where_it_comes_from():
    assert not re.findall(r"^\| `.*\|  \|$", profile_keys_table(), re.MULTILINE)


def test_document_names_every_shipped_profile():
    for name in load_profiles(shipped("profiles")):
        assert re.search(rf"^\| `{name}` \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize("key", EXAMPLES)
def test_example_of_a_key_is_good(key, tmp_path):
    path = tmp_path / "EXAMPLE.yaml"
    path.write_text(yaml.safe_dump(VALID | {key: EXAMPLES[key]}))

    assert load_profile(path)
