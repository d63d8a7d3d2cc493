"""The keys of a profile's file as a table in Markdown, made of the schema that reads it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from marshmallow import fields, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from marshmallow import Schema


def keys_table_of(schema: Schema) -> str:
    """Return the table of what ``schema`` reads, each nested key with its path, with a newline at its end."""
    rows = ["| key | meaning | default | example | source |", "|---|---|---|---|---|"]
    rows += [f"| {' | '.join(row)} |" for row in _rows(schema, "")]
    return "\n".join(rows) + "\n"


def _rows(schema: Schema, prefix: str) -> Iterator[tuple[str, ...]]:
    for attribute, field in schema.fields.items():
        name, about = field.data_key or attribute, field.metadata
        yield (
            f"`{prefix}{name}`",
            str(about["description"]).replace("|", "\\|"),
            _default(field),
            _code(about["example"]),
            str(about["x-source"]),
        )
        inner = field.inner if isinstance(field, fields.List) else field
        if isinstance(inner, fields.Nested):
            yield from _rows(inner.schema, f"{prefix}{name}{'[]' if inner is not field else ''}.")


def _default(field: fields.Field[Any]) -> str:
    if field.required:
        return "must be there"
    default = field.load_default() if callable(field.load_default) else field.load_default
    return "none" if default in (missing, None, [], ()) or isinstance(default, dict) else _code(default)


def _code(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"`{text}`".replace("|", "\\|")
