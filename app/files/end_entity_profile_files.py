"""``profiles/end_entities/<NAME>.yaml`` to :class:`EndEntityProfile`; what makes no sense names file, key and line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from app.errors import ConfigurationError
from app.files.end_entity_profile_schema import EndEntityProfileSchema
from app.files.hierarchy_file import load_hierarchy
from app.files.profile_files import HIERARCHY_FILE, load_profile, profile_paths
from app.files.profile_json_schema import json_schema_of
from app.files.profile_keys import keys_table_of
from app.files.yaml_file import load, yaml_files
from app.pki import distinguished_name
from app.pki.end_entity import TokenType
from app.pki.end_entity_names import (
    AlternativeNameField,
    AlternativeNameFieldsRule,
    SubjectField,
    SubjectFieldsRule,
)
from app.pki.end_entity_profile import EndEntityProfile
from app.pki.end_entity_rules import (
    AvailableCasRule,
    CertificateProfilesRule,
    EnrolmentWindowRule,
    PasswordRule,
    TokenTypesRule,
    UsernameRule,
)
from app.pki.profile_rules import NameTemplate, ProfileType

if TYPE_CHECKING:
    from pathlib import Path

END_ENTITIES: Final = "end_entities"
END_ENTITY_SCHEMA_FILE: Final = "end_entity_profile.schema.json"


def end_entity_profile_json_schema() -> str:
    """Return the JSON Schema of a file, for editors, with a newline at its end."""
    return json_schema_of(EndEntityProfileSchema, "midca end entity profile")


def end_entity_profile_keys_table() -> str:
    """Return the keys of a file as a table in Markdown."""
    return keys_table_of(EndEntityProfileSchema())


def load_end_entity_profile(path: Path, schema: EndEntityProfileSchema | None = None) -> EndEntityProfile:
    """Read one profile; its name is the file's. Raises :class:`ConfigurationError` naming file, key and line."""
    data, sha256 = load(path, schema or EndEntityProfileSchema())
    token_types, password = data["token_types"], data["password"]
    return EndEntityProfile(
        name=path.stem,
        sha256=sha256,
        username=UsernameRule(data["username"]["pattern"], data["username"]["max"]),
        subject=_subject(data["subject"]),
        alternative_names=_alternative_names(data["alternative_names"]),
        certificate_profiles=CertificateProfilesRule(**data["certificate_profiles"]),
        cas=AvailableCasRule(**data["cas"]),
        token_types=TokenTypesRule(
            TokenType[token_types["default"]], frozenset(TokenType[name] for name in token_types["allowed"])
        ),
        password=PasswordRule(password["default"], password["min_length"], password["refuse_guessable"]),
        enrolment_window=EnrolmentWindowRule(data["enrolment_window"]),
    )


def load_end_entity_profiles(directory: Path) -> dict[str, EndEntityProfile]:
    """Read all profiles of a directory by name.

    Certificate profiles and CAs that they name must be in the directory above: the profiles, and ``hierarchy.yaml``.
    """
    paths = yaml_files(directory)
    if not paths:
        raise ConfigurationError(f"There is no end entity profile in {directory}.")
    schema = EndEntityProfileSchema(
        profiles=[
            path.stem for path in profile_paths(directory.parent) if load_profile(path).type is ProfileType.END_ENTITY
        ],
        cas=[declared.name for declared in load_hierarchy(directory.parent / HIERARCHY_FILE)],
    )
    return {path.stem: load_end_entity_profile(path, schema) for path in paths}


def _subject(data: dict[str, Any]) -> SubjectFieldsRule:
    named = ((distinguished_name.attribute_oid(field["name"]), field) for field in data["attributes"])
    return SubjectFieldsRule(
        fields=tuple(
            SubjectField(oid, field["min"], field["max"], field["pattern"]) for oid, field in named if oid is not None
        ),
        others=data["others"],
        default=distinguished_name.parse(data["default"]),
    )


def _alternative_names(data: dict[str, Any]) -> AlternativeNameFieldsRule:
    defaults = (text.partition(":") for text in data["default"])
    return AlternativeNameFieldsRule(
        fields=tuple(AlternativeNameField(**field) for field in data["names"]),
        others=data["others"],
        default=tuple(NameTemplate(kind, text) for kind, _, text in defaults),
    )
