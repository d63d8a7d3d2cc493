"""A JSON Schema of a profile's file, for editors: made of the schema that reads it, so the two say the same."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from app.files.profile_fields import Shorthand

if TYPE_CHECKING:
    from marshmallow import Schema, fields

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_COMPONENTS: Final = "#/components/schemas/"


def json_schema_of(schema: type[Schema], title: str) -> str:
    """Return the JSON Schema of what ``schema`` reads as text, with a newline at its end."""
    from apispec import APISpec  # noqa: PLC0415 -- a megabyte that no server needs for this
    from apispec.ext.marshmallow import MarshmallowPlugin  # noqa: PLC0415 -- the same

    plugin = MarshmallowPlugin(schema_name_resolver=_name)
    spec = APISpec(title, "1", openapi_version="3.1.0", plugins=[plugin])
    plugin.converter.add_attribute_function(_shorthand)  # type: ignore[union-attr]
    spec.components.schema(_name(schema), schema=schema)
    definitions = {name: _closed(section) for name, section in spec.to_dict()["components"]["schemas"].items()}
    root = definitions.pop(_name(schema))
    document = {"$schema": _DIALECT, "title": title, **root, "$defs": definitions}
    return json.dumps(_local(document), indent=1, ensure_ascii=False) + "\n"


def _name(schema: Any) -> str:
    return str(getattr(schema, "__name__", type(schema).__name__))


def _shorthand(_converter: object, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Let a section also be the word or the bare list that stands for it."""
    if not isinstance(field, Shorthand):
        return {}
    whole = ret.pop("allOf", None) or [{"$ref": ret.pop("$ref")}]
    if field.word is not None:
        return {"oneOf": [{"const": field.word}, *whole]}
    return {"oneOf": [{"type": "array", "items": {"type": "string"}}, *whole]}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "additionalProperties": False}


def _local(value: Any) -> Any:
    """Point references into this document, and name an example as JSON Schema does."""
    if isinstance(value, list):
        return [_local(item) for item in value]
    if not isinstance(value, dict):
        return value.replace(_COMPONENTS, "#/$defs/") if isinstance(value, str) else value
    return {
        ("examples" if key == "example" else key): ([inner] if key == "example" else _local(inner))
        for key, inner in value.items()
    }
