"""Databases that are all alike, each for one test."""

import uuid

import psycopg

from app.store.copying import TABLES
from tests.postgresql import Postgresql

_TABLES = (*TABLES, "schema_migrations")
_END_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
_SHAPE = """
SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
    SELECT concat('table or index', oid, relname) AS part FROM pg_class WHERE relnamespace = 'public'::regnamespace
    UNION ALL SELECT concat('column', attrelid, attname, atttypid, attnotnull) FROM pg_attribute WHERE attrelid IN
        (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
    UNION ALL SELECT concat('trigger', oid) FROM pg_trigger
    UNION ALL SELECT concat('function', oid) FROM pg_proc
    UNION ALL SELECT concat('schema', nspname) FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT concat('place', dattablespace) FROM pg_database WHERE datname = current_database()
    UNION ALL SELECT concat('setting', setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS parts
"""


class Copies:
    """Copies of a template. To make one takes a quarter of a second, to put its rows back a thirtieth.

    So one that a test has given back, and whose schema the test left alone, is given to another: with the rows of the
    template and under another name, lest somebody who still writes to it under the old one finds it.
    """

    def __init__(self, server: Postgresql, template: str) -> None:
        """Have the template know its rows, so that its copies do."""
        self._server = server
        self._template = template
        self._spare: list[str] = []
        with psycopg.connect(server.address(template)) as session:
            session.execute("CREATE SCHEMA as_made")
            self._shape = session.execute(_SHAPE).fetchone()
            for table in _TABLES:
                session.execute(f"CREATE TABLE as_made.{table} AS TABLE {table}")  # type: ignore[arg-type] # our own names

    def take(self) -> str:
        """Return the address of a copy."""
        name = f"t{uuid.uuid4().hex}"
        if not self._spare:
            return self._server.create(name, self._template)
        with psycopg.connect(self._server.address("postgres"), autocommit=True) as session:
            session.execute(f"ALTER DATABASE {self._spare.pop()} RENAME TO {name}")  # type: ignore[arg-type]
        return self._server.address(name)

    def give_back(self, address: str) -> None:
        """Take a copy back from a test that is over."""
        name = address.rpartition("/")[2]
        if self._is_as_made(address):
            self._spare.append(name)
        else:
            self._server.drop(name)

    def _is_as_made(self, address: str) -> bool:
        """Put the rows back; return whether the rest is as it was."""
        try:
            with psycopg.connect(address) as session:
                session.execute(_END_OTHERS)
                if session.execute(_SHAPE).fetchone() != self._shape:
                    return False
                session.execute("SET session_replication_role = replica")  # nothing minds the order of the tables
                for table in _TABLES:
                    session.execute(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM as_made.{table}")  # type: ignore[arg-type] # noqa: S608
        except psycopg.Error:
            return False
        return True
