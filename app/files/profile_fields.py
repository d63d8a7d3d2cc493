"""The kinds of values a profile's file is made of, each with what a JSON Schema says of it."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, ClassVar, Final

from cryptography import x509
from marshmallow import ValidationError, fields

from app.pki.certificate_lint import EXTRA, LintLevel, is_installed
from app.pki.name_pattern import pattern_problem

_MAX_DAYS: Final = 36525
_UNITS: Final = {"y": 31536000, "mo": 2592000, "d": 86400, "h": 3600, "m": 60, "s": 1}
"""EJBCA's: a year of 365 days, a month of 30; seconds of each."""
_LENGTH: Final = re.compile(
    r"\s*(?:(\d{1,6})y\s*)?(?:(\d{1,6})mo\s*)?(?:(\d{1,6})d\s*)?(?:(\d{1,6})h\s*)?"
    r"(?:(\d{1,6})m\s*)?(?:(\d{1,6})s\s*)?",
    re.ASCII,
)
_MAX_PATTERNS: Final = 8
_OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,19})){1,30}", re.ASCII)


class Validity(fields.Field["timedelta | datetime"]):
    """Days as a number, EJBCA's ``2y 3mo 4d 5h``, or a date on which it ends."""

    JSON: Final = {"oneOf": [{"type": "integer", "minimum": 1, "maximum": _MAX_DAYS}, {"type": "string"}]}

    def _deserialize(self, value: Any, *_: object, **__: object) -> timedelta | datetime:
        value = _date(value) if isinstance(value, str) else value
        if isinstance(value, datetime):
            try:
                return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
            except OverflowError as error:  # before the year 1 or after 9999, seen from Greenwich
                raise ValidationError("is a date that does not exist in UTC") from error
        if isinstance(value, date):
            return datetime.combine(value, time(23, 59, 59), UTC)
        length = self._length(value)
        if length is None:
            raise ValidationError("is neither a number of days, nor a length such as 2y 3mo 4d 5h, nor a date")
        if not timedelta(minutes=1) <= length <= timedelta(days=_MAX_DAYS):
            raise ValidationError(f"must be from one minute to {_MAX_DAYS} days")
        return length

    @staticmethod
    def _length(value: Any) -> timedelta | None:
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9:
            return timedelta(days=value)
        match = _LENGTH.fullmatch(value) if isinstance(value, str) and value.strip() else None
        if match is None:
            return None
        return timedelta(
            seconds=sum(int(n or 0) * unit for n, unit in zip(match.groups(), _UNITS.values(), strict=True))
        )


class Length(Validity):
    """The same without dates."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> timedelta | datetime:
        if self._length(value) is None:
            raise ValidationError("is neither a number of days, nor a length such as 7d or 12h")
        return super()._deserialize(value, *args, **kwargs)


def _date(text: str) -> str | date:
    """Return the date that a quoted ``2030-12-31`` or ``2030-12-31T23:59:59Z`` is, else the text."""
    try:
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:
        return text


class Oid(fields.Field["x509.ObjectIdentifier"]):
    """A dotted OID, or one of the names given."""

    def __init__(self, names: dict[str, x509.ObjectIdentifier] | None = None, **kwargs: Any) -> None:
        """Take the names that stand for an OID."""
        super().__init__(**kwargs)
        self.names = names or {}

    def _deserialize(self, value: Any, *_: object, **__: object) -> x509.ObjectIdentifier:
        text = value if isinstance(value, str) else ""
        found = self.names.get(text) or _object_identifier(text)
        if found is None:
            named = f" or one of {', '.join(self.names)}" if self.names else ""
            raise ValidationError(f"is not an OID such as 1.3.6.1.4.1.1.2{named}; put it in quotes")
        return found


def _object_identifier(text: str) -> x509.ObjectIdentifier | None:
    try:
        return x509.ObjectIdentifier(text) if _OID.fullmatch(text) else None
    except ValueError:  # an arc that no OID has
        return None


class Patterns(fields.Field["bool | tuple[str, ...]"]):
    """True for any name, False for none, or regular expressions of which one must match the whole name."""

    JSON: ClassVar[dict[str, Any]] = {
        "oneOf": [
            {"type": "boolean"},
            {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": _MAX_PATTERNS},
        ]
    }

    def _deserialize(self, value: Any, *_: object, **__: object) -> bool | tuple[Any, ...]:
        if isinstance(value, bool):
            return value
        if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
            raise ValidationError(f"is true, false or a list of {self.what}")
        if self.most is not None and len(value) > self.most:
            raise ValidationError(f"holds more than {self.most} {self.what}")
        return tuple(self.read(item) for item in value)

    what = "regular expressions"
    most: ClassVar[int | None] = _MAX_PATTERNS

    def read(self, text: str) -> Any:
        """Return what one entry stands for."""
        if (problem := pattern_problem(text)) is not None:
            raise ValidationError(f"{text!r} {problem}")
        return text


class Networks(Patterns):
    """The same with networks (CIDR) for addresses."""

    what = "networks such as 10.0.0.0/8"
    most = None
    JSON: ClassVar[dict[str, Any]] = {
        "oneOf": [{"type": "boolean"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]
    }

    def read(self, text: str) -> Any:
        """Return the network."""
        try:
            return ipaddress.ip_network(text)
        except ValueError as error:
            raise ValidationError(f"{error}") from error


class Der(fields.Field[bytes]):
    """The bytes of a DER value, as hex or base64."""

    JSON: Final = {"type": "string"}

    def _deserialize(self, value: Any, *_: object, **__: object) -> bytes:
        text = "".join(value.split()) if isinstance(value, str) else ""
        try:
            if re.fullmatch(r"(?:[0-9a-fA-F]{2})+", text):
                return bytes.fromhex(text)
            if text:
                return base64.b64decode(text, validate=True)
        except (ValueError, binascii.Error):
            pass
        raise ValidationError("is not DER as hex or base64 (in quotes)")


class Cas(fields.Field["frozenset[str] | None"]):
    """``any``, or the names of CAs."""

    JSON: Final = {"oneOf": [{"const": "any"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}

    def _deserialize(self, value: Any, *_: object, **__: object) -> frozenset[str] | None:
        if value == "any":
            return None
        if isinstance(value, list) and value and all(isinstance(name, str) for name in value):
            return frozenset(value)
        raise ValidationError("is either any or a list of CA names")


class Shorthand(fields.Nested):
    """A nested section that can also be written as one word, or as the list that is its first key."""

    def __init__(self, nested: Any, *, word: str | None = None, list_key: str | None = None, **kwargs: Any) -> None:
        """Take the word that stands for the empty section, or the key that a bare list belongs to."""
        super().__init__(nested, **kwargs)
        self.word = word
        self.list_key = list_key

    def _deserialize(self, value: Any, attr: str | None, data: Any, partial: Any = None, **kwargs: Any) -> Any:
        if self.word is not None and value == self.word:
            value = {}
        elif self.list_key is not None and isinstance(value, list):
            value = {self.list_key: value}
        return super()._deserialize(value, attr, data, partial, **kwargs)


class Lint(fields.Field[LintLevel]):
    """``off``, ``error`` or ``warning``; YAML 1.1 takes an unquoted ``off`` for the boolean false."""

    JSON: Final = {"enum": [str(level) for level in LintLevel]}

    def _deserialize(self, value: Any, *_: object, **__: object) -> LintLevel:
        try:
            level = LintLevel.OFF if value is False else LintLevel(value)
        except ValueError as error:
            raise ValidationError(f"is one of {', '.join(LintLevel)}") from error
        if level is not LintLevel.OFF and not is_installed():
            raise ValidationError(f"needs the linter pkilint: {EXTRA}")
        return level
