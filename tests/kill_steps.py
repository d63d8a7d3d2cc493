"""Runs an act again and again, killed at its first step, its second …, and then once more to its end.

A program of its own, because it forks for every kill: ``python -m tests.kill_steps migrate|restore ARGUMENTS``. A step
is a statement to the database or a file that gets its name. Prints a line of JSON for each kill.
"""

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path

from app.command import _places
from app.errors import ConfigurationError
from app.operations.actor import Actor
from app.operations.restoring import Restoring
from app.settings import shipped
from app.store.schema import migrate
from app.store.sqlite import SqliteDatabase
from app.store.sqlite_connection import Connection
from app.store.sqlite_library import sqlite3
from tests.builders import Clock
from tests.conftest import settings_for

STEPS = ((Connection, "execute"), (os, "replace"), (os, "rename"), (os, "link"))


def killed_at(step: int, act: Callable[[], object]) -> bool:
    """Run the act in a process that is killed before its step of that number, or right after the act's end.

    Return False when it had fewer steps: then it ran to its end and was not killed.
    """
    child = os.fork()
    if child == 0:
        count_steps(step)
        act()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, status
    return os.WIFSIGNALED(status)


def count_steps(last: int) -> None:
    left = last

    def counted(function: Callable) -> Callable:
        @wraps(function)
        def wrapper(*args, **kwargs):
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return wrapper

    for owner, name in STEPS:
        setattr(owner, name, counted(getattr(owner, name)))


def finished(act: Callable[[], object]) -> None:
    """Run the act to its end, in a process of its own as well: no connection is inherited."""
    assert not killed_at(sys.maxsize, act)


def migrate_killed(database: Path, work: Path) -> None:
    """Migrate a copy of ``database`` after each kill; print whether its schema and contents are then as without one."""

    def migrated() -> None:
        opened = SqliteDatabase(work)
        migrate(opened, shipped("migrations"))
        opened.close()

    shutil.copy(database, work)
    finished(migrated)
    expected = contents(work)
    step, killed = 0, True
    while killed:
        remove(work)
        shutil.copy(database, work)
        killed = killed_at(step, migrated)
        finished(migrated)
        print(json.dumps({"step": step, "killed": killed, "same": contents(work) == expected}))  # noqa: T201
        step += 1


def restore_killed(backup: Path, base: Path) -> None:
    """Restore anew after each kill; print what was left, and what a start said to that before it was run again."""
    settings = settings_for(base)
    restoring = Restoring(_places(settings), Clock())

    def restored() -> None:
        restoring.run(backup, Actor("tester", "test"), passphrase=lambda: "")

    step, killed = 0, True
    while killed:
        shutil.rmtree(settings.data, ignore_errors=True)
        killed = killed_at(step, restored)
        left = sorted(path.name for path in settings.data.iterdir()) if settings.data.exists() else []
        said = start(base)
        if not settings.database.exists():
            finished(restored)
        print(json.dumps({"step": step, "killed": killed, "left": left, "said": said}))  # noqa: T201
        assert {path.name for path in settings.data.iterdir()} >= {"midca.sqlite", "ca", "audit.checkpoints"}
        assert not (settings.data / "midca.sqlite.restoring").exists()
        step += 1


def start(base: Path) -> str:
    """Return what a program says that opens what a killed restore has left."""
    from app.bootstrap import open_services  # noqa: PLC0415 -- after the fork's steps are counted elsewhere

    try:
        open_services(settings_for(base))
    except ConfigurationError as error:
        return str(error)
    return "started"


def contents(path: Path) -> list[list[tuple]]:
    """Return the schema, and the rows of every table."""
    connection = sqlite3.connect(path)
    schema = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").fetchall()
    tables = [name for kind, name, _ in schema if kind == "table"]
    rows = [connection.execute(f"SELECT * FROM {table}").fetchall() for table in tables]  # noqa: S608 -- the schema's
    connection.close()
    return [schema, *rows]


def remove(path: Path) -> None:
    for left in path.parent.glob(f"{path.name}*"):
        left.unlink()


if __name__ == "__main__":
    {"migrate": migrate_killed, "restore": restore_killed}[sys.argv[1]](*map(Path, sys.argv[2:]))
