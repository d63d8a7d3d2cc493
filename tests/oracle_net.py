"""The signer oracle where no fixture put one: in commands, in other servers, in services that a test opens itself.

Whatever opens a CA without an oracle notes what it signs in the directory ``SIGNER_ORACLE_NET``, in a file for each
database. After every test that is compared with what the databases record.
"""

import hashlib
import os
from contextlib import closing
from pathlib import Path

from app.store.sqlite_library import sqlite3
from tests.signer_oracle import SignerOracle, recorded

NET = "SIGNER_ORACLE_NET"


def cast(bootstrap) -> None:
    """Have ``app.bootstrap`` wrap the keys that nobody else wraps."""
    opened = bootstrap._open

    def netted(settings, *, signing_key, **rest):
        if signing_key is bootstrap.unwrapped:
            signing_key = _oracle(settings.database_address or str(settings.database)).wrap
        return opened(settings, signing_key=signing_key, **rest)

    bootstrap._open = netted


def _oracle(database: str) -> SignerOracle:
    file = Path(os.environ[NET]) / hashlib.sha256(database.encode()).hexdigest()
    file.with_suffix(".database").write_text(database)
    return SignerOracle(file)


class Net:
    """What was caught, as the process that runs the tests looks at it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._seen: dict[str, int] = {}

    def check(self) -> None:
        """Raise unless all that was signed is on record; of a database that is gone nobody can say."""
        for caught in list(os.scandir(self.directory)):
            size = caught.stat().st_size  # this is done after every test: what did not grow is not read again
            if caught.name.endswith(".database") or size == self._seen.get(caught.name):
                continue
            self._seen[caught.name] = size
            signed = SignerOracle(Path(caught.path)).signed()
            database = Path(f"{caught.path}.database").read_text()
            records = _of_postgresql(database) if "://" in database else _of_sqlite(Path(database))
            assert records is None or set(signed) <= records, f"{database} does not know all that was signed"


def _of_sqlite(path: Path) -> set[str] | None:
    if not path.exists():
        return None
    try:
        return recorded(path)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:  # the test broke it
        return None


def _of_postgresql(address: str) -> set[str] | None:
    import psycopg  # noqa: PLC0415 -- the server that a wheel was installed for may have none

    try:
        with closing(psycopg.connect(address)) as connection:
            sql = "SELECT tbs_sha256 FROM certificates UNION ALL SELECT tbs_sha256 FROM revocation_lists"
            return {tbs for (tbs,) in connection.execute(sql)}
    except psycopg.Error:  # the test is over and so is the database, or there never was one
        return None
