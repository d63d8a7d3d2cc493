"""``docs/profiles.md`` says of every key what the schema says, and its examples are good."""

import re
from pathlib import Path

import pytest
import yaml

from app.files.profile_files import load_profile, load_profiles
from app.files.profile_schemas import SCHEMAS, profile_keys_table
from app.pki.profile_rules import ProfileType
from app.settings import shipped
from tests.files.test_profile_files import VALID

DOCUMENT = (Path(__file__).parent.parent.parent / "docs" / "profiles.md").read_text()
BASES = {
    ProfileType.END_ENTITY: VALID,
    **{
        of_type: yaml.safe_load((shipped("profiles") / f"{name}.yaml").read_text())
        for of_type, name in ((ProfileType.CA, "sub-ca"), (ProfileType.OCSP_RESPONDER, "ocsp-responder"))
    },
}
EXAMPLES = [
    (of_type, name, field.metadata["example"])
    for of_type, schema in SCHEMAS.items()
    for name, field in schema().fields.items()
]


@pytest.mark.parametrize("of_type", ProfileType, ids=str)
def test_document_holds_the_table_of_the_schema(of_type):
    assert profile_keys_table(of_type) in DOCUMENT


@pytest.mark.parametrize("of_type", ProfileType, ids=str)
def test_every_key_says_where_it_comes_from(of_type):
    assert not re.findall(r"^\| `.*\|  \|$", profile_keys_table(of_type), re.MULTILINE)


def test_document_names_every_shipped_profile():
    for name in load_profiles(shipped("profiles")):
        assert re.search(rf"^\| `{name}` \|", DOCUMENT, re.MULTILINE)


@pytest.mark.parametrize(("of_type", "key", "example"), EXAMPLES)
def test_example_of_a_key_is_good(of_type, key, example, tmp_path):
    path = tmp_path / "EXAMPLE.yaml"
    path.write_text(yaml.safe_dump(BASES[of_type] | {key: example}))

    assert load_profile(path)


def test_profile_of_cas_that_the_document_shows_is_good(tmp_path):
    (text,) = re.findall(r"```yaml\n(# devices-ca\.yaml.*?)```", DOCUMENT, re.DOTALL)
    (tmp_path / "devices-ca.yaml").write_text(text)

    assert len(load_profile(tmp_path / "devices-ca.yaml").name_constraints.excluded) == 2
