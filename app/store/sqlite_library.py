"""Which SQLite this program uses: pysqlite3's, which is newer, where it is installed.

sqlite-utils takes the same one: two libraries that open one file in one process undo each other's locks.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        sqlite3 = import_module("pysqlite3")
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
