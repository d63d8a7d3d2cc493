"""Where the files lie that come with the program."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from app.files.presence import is_directory

_PACKAGE: Final = Path(__file__).parent.parent


def shipped(name: str) -> Path:
    """Return ``profiles`` or ``migrations``: inside the package when installed, beside it in a checkout."""
    return next(path for path in (_PACKAGE / name, _PACKAGE.parent / name) if is_directory(path))
