"""Where the files of an installation lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

UNFINISHED_RESTORE: Final = "midca.sqlite.restoring"
"""The database while a restore is at work; no program may take its directory for a whole one."""


@dataclass(frozen=True)
class Places:
    """``authorities`` holds the CAs' certificates and keys, ``checkpoints`` is the file of those of the audit log."""

    data: Path
    database: Path
    authorities: Path
    secrets: Path
    checkpoints: Path
    profiles: Path
    end_entity_profiles: Path
    migrations: Path

    @property
    def setup_lock(self) -> Path:
        """Who holds the lock on this file may change what there is of CAs, keys and secrets."""
        return self.data / ".setup.lock"

    @property
    def unfinished_restore(self) -> Path:
        """See :data:`UNFINISHED_RESTORE`."""
        return self.data / UNFINISHED_RESTORE
