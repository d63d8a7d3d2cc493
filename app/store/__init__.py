"""What the CA remembers: SQL, and only here."""

from app.store import sqlite_library as sqlite_library  # before sqlite-utils is imported
