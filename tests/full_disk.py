"""A disk without room: a small tmpfs that is filled up, or where none can be mounted, a limit to the size of files.

On PostgreSQL it is the disk of the tables alone: the server ends when its write-ahead log has no room.
"""

import os
import resource
import subprocess
from pathlib import Path

import psycopg
import pytest

from app.store.copying import TABLES
from tests.postgresql import Postgresql


class SmallDisk:
    """A tmpfs of 24 MB mounted on a directory."""

    def __init__(self, path: Path, owner: int | None = None) -> None:
        self.path = path
        options = f"size=24m,mode=0700,uid={os.getuid() if owner is None else owner}"
        command = ["mount", "-t", "tmpfs", "-o", options, "none", str(path)]
        if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
            pytest.skip("nothing can be mounted here; the limit to the size of files is tried all the same")

    def leave(self, room: int) -> None:
        """Fill the disk so that so many bytes are left."""
        self.make_room()
        free = os.statvfs(self.path)
        (self.path / "filler").write_bytes(bytes(max(free.f_bavail * free.f_frsize - room, 0)))

    def make_room(self) -> None:
        (self.path / "filler").unlink(missing_ok=True)

    def remove(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.path)], check=True)


class SmallTablespace(SmallDisk):
    """The same for a database of a PostgreSQL server."""

    def __init__(self, server: Postgresql) -> None:
        self.server = server
        path = server.base / "small"
        path.mkdir(exist_ok=True)
        super().__init__(path, owner=server.base.stat().st_uid)
        server.execute(f"CREATE TABLESPACE small LOCATION '{path}'")

    def take(self, database: str) -> None:
        """Move a database there, without the room that deleted rows left in it; nobody may be connected to it."""
        with psycopg.connect(self.server.address(database), autocommit=True) as session:
            session.execute(f"VACUUM FULL {', '.join(TABLES)}")  # type: ignore[arg-type] # our own names
        self.server.execute(f"ALTER DATABASE {database} SET TABLESPACE small")

    def remove(self) -> None:
        self.server.execute("DROP TABLESPACE small")
        super().remove()


class SizeLimit:
    """No file of this process grows (RLIMIT_FSIZE) beyond the largest one in the directory."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def leave(self, room: int) -> None:
        """Leave so many bytes behind the end of the largest file; with none nothing can be written at all."""
        largest = max(file.stat().st_size for file in self.path.rglob("*") if file.is_file())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + room if room else 0, self.before[1]))

    def make_room(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self.before)

    def remove(self) -> None:
        self.make_room()
