"""Reads a section of a TOML file: each key of the type it has to be, and none that is not asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from ..errors import FileTrouble

T = TypeVar("T")
_KINDS: Final[Mapping[type, str]] = {str: "text", int: "a whole number", list: "a list", dict: "a section"}


@dataclass
class Reader:
    """Takes keys out of a section; as a context manager it raises :class:`FileTrouble` for one that is left."""

    file: Path
    name: str
    document: dict[str, Any]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self.document:
            raise self.trouble(min(self.document), "there is no such key")

    def section(self, key: str) -> Reader:
        """Return the reader of a section, which may be left out."""
        return Reader(self.file, f"{key}.", dict(self._take(key, dict, {})))

    def text(self, key: str, default: str | None = None) -> str:
        """Return a text that is not empty."""
        found = self._take(key, str, default)
        if not found:
            raise self.trouble(key, "it is empty")
        return found

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of texts, empty where it is left out."""
        found: list[Any] = self._take(key, list, [])
        if not all(isinstance(each, str) for each in found):
            raise self.trouble(key, "it must be a list of texts")
        return tuple(found)

    def path(self, key: str) -> Path | None:
        """Return a path, None where it is left out; it is read from the directory of the file."""
        found = self._take(key, str, "")
        return self.file.parent / found if found else None

    def needed_path(self, key: str) -> Path:
        """Return a path."""
        return self.file.parent / self.text(key)

    def number(self, key: str, default: int, *, highest: int) -> int:
        """Return a whole number from 1 to ``highest``."""
        found = self._take(key, int, default)
        if isinstance(found, bool) or not 1 <= found <= highest:
            raise self.trouble(key, f"it must be a whole number from 1 to {highest}")
        return found

    def choice(self, key: str, choices: Sequence[str]) -> str:
        """Return one of the choices, the first where it is left out."""
        found = self._take(key, str, choices[0])
        if found not in choices:
            raise self.trouble(key, f"it must be one of {', '.join(choices)}")
        return found

    def trouble(self, key: str, why: str) -> FileTrouble:
        """Return the error for a key."""
        return FileTrouble(f"{self.file}, {self.name}{key}: {why}.")

    def _take(self, key: str, kind: type[T], default: T | None) -> T:
        found = self.document.pop(key, default)
        if found is None:
            raise self.trouble(key, "it must be there")
        if not isinstance(found, kind):
            raise self.trouble(key, f"it must be {_KINDS[kind]}")
        return found
