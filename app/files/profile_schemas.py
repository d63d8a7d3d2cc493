"""What the file of each type of certificate profile may hold, and the JSON Schemas beside the profiles that say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from marshmallow import Schema

from app.files.authority_profile_schema import AuthorityProfileSchema, ResponderProfileSchema
from app.files.profile_json_schema import json_schema_of
from app.files.profile_keys import keys_table_of
from app.files.profile_schema import ProfileSchema
from app.pki.profile_rules import ProfileType

SCHEMAS: Final[Mapping[ProfileType, type[Schema]]] = {
    ProfileType.END_ENTITY: ProfileSchema,
    ProfileType.CA: AuthorityProfileSchema,
    ProfileType.OCSP_RESPONDER: ResponderProfileSchema,
}
SCHEMA_FILES: Final[Mapping[ProfileType, str]] = {
    ProfileType.END_ENTITY: "profile.schema.json",
    ProfileType.CA: "ca_profile.schema.json",
    ProfileType.OCSP_RESPONDER: "responder_profile.schema.json",
}
_TITLES: Final[Mapping[ProfileType, str]] = {
    ProfileType.END_ENTITY: "midca certificate profile",
    ProfileType.CA: "midca certificate profile of CAs",
    ProfileType.OCSP_RESPONDER: "midca certificate profile of OCSP responders",
}


def profile_json_schema(profile_type: ProfileType = ProfileType.END_ENTITY) -> str:
    """Return the JSON Schema as text, with a newline at its end."""
    return json_schema_of(SCHEMAS[profile_type], _TITLES[profile_type])


def profile_keys_table(profile_type: ProfileType = ProfileType.END_ENTITY) -> str:
    """Return the keys as a table in Markdown, with a newline at its end."""
    return keys_table_of(SCHEMAS[profile_type]())
