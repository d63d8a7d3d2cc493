"""Times as the database keeps them: ISO 8601 in UTC with microseconds, so that text order is time order."""

from __future__ import annotations

from datetime import UTC, datetime


def to_text(moment: datetime) -> str:
    """Return e.g. ``2026-01-31T12:00:00.000000+00:00``."""
    in_utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return in_utc.isoformat(timespec="microseconds")


def from_text(text: str) -> datetime:
    """Return the aware time that :func:`to_text` wrote."""
    return datetime.fromisoformat(text)
