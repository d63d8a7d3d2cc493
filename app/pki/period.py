"""From when to when somebody wants a certificate to be good, and what becomes of that.

EJBCA writes a moment ``2030-12-31 23:59:59+00:00`` and a length from the moment of signing ``days:hours:minutes``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from app.errors import InvalidInput

Moment = datetime | timedelta
"""A moment, or how long after the signing."""

_LENGTH: Final = re.compile(r"(\d{1,5}):(\d{1,2}):(\d{1,2})", re.ASCII)
_SHOWN: Final = 40


@dataclass(frozen=True)
class Period:
    """What was asked for; None leaves a side to the profile."""

    start: Moment | None = None
    end: Moment | None = None

    @classmethod
    def from_texts(
        cls, start: str | None, end: str | None, names: tuple[str, str] = ("StartTime", "EndTime")
    ) -> Period:
        """Read both as EJBCA or ISO 8601 write them, None and empty for none.

        Raises :class:`InvalidInput`, which calls the two by their ``names``.
        """
        return cls(_moment(start, names[0]), _moment(end, names[1]))

    def texts(self) -> tuple[str, str]:
        """Return both as EJBCA writes them, empty for none."""
        return _text(self.start), _text(self.end)

    def __bool__(self) -> bool:
        """True when anything was asked for."""
        return self.start is not None or self.end is not None

    def __str__(self) -> str:
        """Return it in words."""
        start, end = self.texts()
        return " ".join(f"{word} {text}" for word, text in (("from", start), ("until", end)) if text)


def _moment(text: str | None, field: str) -> Moment | None:
    text = (text or "").strip()
    if not text:
        return None
    if match := _LENGTH.fullmatch(text):
        days, hours, minutes = map(int, match.groups())
        return timedelta(days=days, hours=hours, minutes=minutes)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"Invalid date format in {field}. {text[:_SHOWN]!r} is neither like 2030-12-31 23:59:59+00:00 nor like "
            "365:0:0 (days:hours:minutes)."
        ) from error


def _text(moment: Moment | None) -> str:
    if moment is None:
        return ""
    if isinstance(moment, datetime):
        return moment.isoformat(" ")
    hours, rest = divmod(moment - timedelta(days=moment.days), timedelta(hours=1))
    return f"{moment.days}:{hours}:{rest // timedelta(minutes=1)}"


def after(moment: datetime, length: Moment | None) -> datetime:
    """Return the moment that lies ``length`` after; the end of the calendar for None and for what lies beyond."""
    if isinstance(length, datetime):
        return length
    try:
        return moment + length if length is not None else _NEVER
    except OverflowError:
        return _NEVER


_NEVER: Final = datetime.max.replace(tzinfo=UTC, microsecond=0)


def in_words(length: Moment) -> str:
    """Return a length, or the moment it ends at, for people to read."""
    if isinstance(length, datetime):
        return f"Until {length.isoformat()}"
    days, rest = divmod(length, timedelta(days=1))
    return f"{days} days" if not rest else f"{days} days and {rest}" if days else str(rest)
