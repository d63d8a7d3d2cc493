"""``agent.state``: how far the agent has come. Losing it means that sessions are ended once more, and no harm."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from ..files import SECRET, read, write

FILE: Final = "agent.state"
_log = logging.getLogger("midca.broker")


@dataclass(frozen=True)
class State:
    """``cursor`` of the feed of revocations; the names to end sessions of ``again`` and when; how many were ended."""

    cursor: str | None = None
    again: Mapping[str, datetime] = field(default_factory=dict)
    ended: int = 0

    @classmethod
    def load(cls, directory: Path) -> State:
        """Return what was saved, or begin anew."""
        content = read(directory / FILE)
        if content is None:
            return cls()
        try:
            saved = json.loads(content)
            again = {str(name): datetime.fromisoformat(due) for name, due in saved["again"].items()}
            return cls(saved["cursor"], again, int(saved["ended"]))
        except (ValueError, TypeError, LookupError, AttributeError):
            _log.warning("%s cannot be read: the sessions of all revoked certificates are ended once more", FILE)
            return cls()

    def save(self, directory: Path) -> None:
        """Put it in place, whole."""
        again = {name: due.isoformat() for name, due in self.again.items()}
        document = {"cursor": self.cursor, "again": again, "ended": self.ended}
        write(directory / FILE, json.dumps(document).encode() + b"\n", SECRET)
