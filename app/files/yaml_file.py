"""A YAML file checked against a schema; every error names the file, the key and the line."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from marshmallow import Schema, ValidationError

from app.errors import ConfigurationError
from app.files.presence import entries

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator
    from pathlib import Path


_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?", re.ASCII)


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses what YAML 1.1 reads as something other than it says.

    A key given twice, of which the last one would win, and numbers that are octal (``0730``), base 60 (``2:30``), hex
    or full of underscores.
    """

    def construct_decimal(self, node: yaml.ScalarNode) -> int | float:
        """Return the number that a plain scalar is."""
        if not _DECIMAL.fullmatch(node.value):
            problem = f"{node.value!r} is no decimal number; put it in quotes if it is a text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return float(node.value) if "." in node.value else int(node.value)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_decimal)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_decimal)


def yaml_files(directory: Path) -> list[Path]:
    """Return the files ``*.yaml`` of a directory by name, without hidden ones: editors and copiers leave those behind.

    Raises :class:`ConfigurationError` for a ``*.yml`` or ``*.YAML``, which somebody believes to be read.
    """
    found = [path for path in entries(directory) if not path.name.startswith(".")]
    for path in found:
        if path.suffix.lower() in {".yml", ".yaml"} and path.suffix != ".yaml":
            raise ConfigurationError(f"{path}: only files that end in .yaml are read; rename it, or take it away.")
    return [path for path in found if path.suffix == ".yaml"]


def load(path: Path, schema: Schema) -> tuple[Any, str]:
    """Return what ``schema`` makes of the file, and the SHA-256 of the file in hex."""
    data, sha256, _ = load_with_text(path, schema)
    return data, sha256


def load_with_text(path: Path, schema: Schema | Callable[[Any], Schema]) -> tuple[Any, str, str]:
    """Return the same and the text of the file, which is UTF-8; the schema may depend on what is in it."""
    try:
        content = path.read_bytes()
        text = content.decode()
        loader = _Loader(content)
        node = loader.get_single_node()
        document = loader.construct_document(node) if node is not None else {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        # ValueError: not UTF-8, or a date that never was; OverflowError: one beyond the calendar, seen from Greenwich
        raise ConfigurationError(f"{path} is not valid YAML: {error}") from error
    document = document if document is not None else {}
    try:
        data = (schema if isinstance(schema, Schema) else schema(document)).load(document)
    except ValidationError as error:
        sentences = (f"{key or 'the file'}: {text}{_line(node, key)}" for key, text in _problems(error.messages))
        raise ConfigurationError(f"{path}: {'; '.join(sentences)}") from error
    return data, hashlib.sha256(content).hexdigest(), text


def _problems(messages: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted path of a key and what is wrong there, for each problem marshmallow found."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from _problems(inner, path if key == "_schema" else f"{path}.{key}".lstrip("."))
    else:
        yield from ((path, text) for text in messages)


def _line(node: yaml.Node | None, path: str) -> str:
    """Return where the key stands, or where what it is missing from begins."""
    if node is None:
        return ""
    mark = node.start_mark
    for key in path.split("."):
        found = _inside(node, key)
        if found is None:
            break
        mark, node = found
    return f" (line {mark.line + 1})"


def _inside(node: yaml.Node, key: str) -> tuple[yaml.Mark, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((name.start_mark, value) for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and key.isdecimal() and int(key) < len(node.value):
        item = node.value[int(key)]
        return item.start_mark, item
    return None
