"""Which SQLite this process uses: pysqlite3's, which is newer, where it is installed, and no other.

sqlite-utils takes that one, too, but its plugins load the standard library's beside it: 0.9 MB in every worker. And two
libraries that open one file in one process undo each other's locks.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        sqlite3 = sys.modules["sqlite3"] = import_module("pysqlite3")
        sys.modules["sqlite3.dbapi2"] = import_module("pysqlite3.dbapi2")
    except ImportError:
        import sqlite3

__all__ = ["sqlite3"]
