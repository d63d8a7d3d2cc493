"""What a database is asked, and how it would go about it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from app.store.postgresql import PostgresDatabase, _converted
from app.store.written_together import WrittenTogether

Statement = tuple[str, dict[str, object]]
# On tables as small as those of a test PostgreSQL would read all rows, which is no answer to what it can do.
_BY_INDEX = "-c enable_seqscan=off -c enable_bitmapscan=off -c enable_sort=off"


@contextmanager
def noted(database: WrittenTogether) -> Iterator[list[Statement]]:
    """Note each statement with its parameters: the readings, and what the writer does, its BEGIN and COMMIT too."""
    statements: list[Statement] = []

    def noting(act: Callable) -> Callable:
        def note_and_act(sql: str, parameters=()):
            statements.append((sql, dict(parameters)))
            return act(sql, parameters)

        return note_and_act

    database.rows("SELECT 1")
    with database.transaction():
        writer = database._writer.connection
    noting_here = [(database, "_read"), (writer, "query"), (writer, "execute")]
    for place, name in noting_here:
        setattr(place, name, noting(getattr(place, name)))
    try:
        yield statements
    finally:
        for place, name in noting_here:
            delattr(place, name)


def plan_of(database: WrittenTogether, statement: Statement) -> str:
    """Return how the database would answer a query, as it writes that."""
    sql, parameters = statement
    if not isinstance(database, PostgresDatabase):
        return "\n".join(row[3] for row in database.tuples(f"EXPLAIN QUERY PLAN {sql}", **parameters))
    with psycopg.connect(database.address, options=_BY_INDEX) as session:
        return "\n".join(line for (line,) in session.execute(b"EXPLAIN " + _converted(sql), parameters or None))
