"""The signer oracle: notes the hash of all that a CA key signs, before the signature is returned.

After a test, what it noted must be a subset of what the database records. It sits where keys are loaded, so
it sees every signature of the process, and it is on disk before the signature leaves the key: no SIGKILL hides one.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

from app.pki.write_ahead_key import write_ahead_key
from app.store.sqlite_library import sqlite3


class SignerOracle:
    def __init__(self, file: Path) -> None:
        self.file = file

    def wrap(self, key: Any) -> Any:
        return write_ahead_key(key, self._note)

    def signed(self) -> list[str]:
        return self.file.read_text().split() if self.file.exists() else []

    def _note(self, data: bytes) -> None:
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, hashlib.sha256(data).hexdigest().encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def recorded(database: Path) -> set[str]:
    connection = sqlite3.connect(database)
    try:
        return {
            row[0]
            for records in (
                "SELECT tbs_sha256 FROM certificates",
                "SELECT tbs_sha256 FROM revocation_lists",
                "SELECT json_extract(entry, '$.tbs_sha256') FROM audit_log WHERE entry LIKE '%\"ca.requested\"%'",
            )
            for row in connection.execute(records)
        }
    finally:
        connection.close()
