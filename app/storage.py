"""Which database the settings name, and whose turn it is among the processes that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.errors import ConfigurationError, StoreUnavailable
from app.files.authority_files import names_on_disk
from app.files.presence import is_there
from app.files.protected import FileTurn
from app.store.schema import is_new, migrate
from app.store.sqlite import SqliteDatabase, check_readable

if TYPE_CHECKING:
    from app.operations.turn import Turn
    from app.settings import Settings
    from app.store.database import Database

_SPARE_READERS: Final = 2  # beside the threads that answer requests: the upkeep, and who waits for its turn


def open_database(settings: Settings, *, create: bool) -> Database:
    """Open the database and bring its schema up to date; ``create`` one where none is.

    Raises :class:`ConfigurationError` when it is missing, cannot be used, or was written by a newer program.
    """
    return _opened(settings, create=create)[0]


def migrate_database(settings: Settings) -> list[str]:
    """Bring the schema of an existing database up to date; return the migrations that were applied."""
    database, applied = _opened(settings, create=False)
    database.close()
    return applied


def _opened(settings: Settings, *, create: bool) -> tuple[Database, list[str]]:
    database = _postgresql(settings) if settings.database_address else _sqlite(settings, create=create)
    try:
        if settings.database_address and not create:
            _check_not_new(database)
        return database, migrate(database, settings.migrations)
    except StoreUnavailable as error:
        database.close()
        raise ConfigurationError(str(error)) from error
    except BaseException:
        database.close()
        raise


def _check_not_new(database: Database) -> None:
    if is_new(database):
        raise ConfigurationError("There is no CA in the database; make one with: midca init")


def exists(settings: Settings) -> bool:
    """Return whether there may be a CA: a database is only made with one."""
    return bool(settings.database_address) or is_there(settings.database)


def turn(settings: Settings, name: str) -> Turn:
    """Return the turn of that name: among the servers of a PostgreSQL, or the processes of a data directory."""
    if settings.database_address:
        from app.store.postgresql import PostgresTurn  # noqa: PLC0415 -- an extra

        return PostgresTurn(settings.database_address, name)
    return FileTurn(settings.data / f".{name}.lock")


def _sqlite(settings: Settings, *, create: bool) -> SqliteDatabase:
    if not is_there(settings.database):
        if not create:
            raise ConfigurationError(f"The database {settings.database} is missing.")
        if names_on_disk(settings.authority_files):
            raise ConfigurationError(
                f"The database {settings.database} is missing, but its CAs are there. A new one would know nothing of "
                "the certificates they issued; put the database back from your backup."
            )
    database = SqliteDatabase.create(settings.database)
    try:
        check_readable(database)
    except BaseException:
        database.close()
        raise
    return database


def _postgresql(settings: Settings) -> Database:
    try:
        from app.store.postgresql import PostgresDatabase  # noqa: PLC0415 -- an extra
    except ImportError as error:
        raise ConfigurationError(
            "MIDCA_DATABASE names a PostgreSQL, for which psycopg is missing: pip install 'midca[postgres]'."
        ) from error
    return PostgresDatabase(settings.database_address, settings.threads + _SPARE_READERS)
