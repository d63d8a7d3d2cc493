"""A YAML file checked against a schema; every error names the file and the key."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import yaml
from marshmallow import Schema, ValidationError

from app.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, where YAML 1.1 as commonly read lets the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path: Path, schema: Schema) -> tuple[Any, str]:
    """Return what ``schema`` makes of the file, and the SHA-256 of the file in hex."""
    try:
        content = path.read_bytes()
        document = _Loader(content).get_single_data()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    try:
        return schema.load(document if document is not None else {}), hashlib.sha256(content).hexdigest()
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {'; '.join(_sentences(error.messages))}") from error


def _sentences(messages: Any, path: str = "") -> list[str]:
    if isinstance(messages, dict):
        return [
            sentence
            for key, inner in messages.items()
            for sentence in _sentences(inner, path if key == "_schema" else f"{path}.{key}".lstrip("."))
        ]
    return [f"{path or 'the file'}: {text}" for text in messages]
