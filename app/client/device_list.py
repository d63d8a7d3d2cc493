"""The CSV file of many devices: ``device``, and if there are such columns ``password``, ``dns`` and ``ip``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .errors import FileTrouble

_COLUMNS: Final = {"device", "password", "dns", "ip"}


@dataclass(frozen=True)
class Row:
    """A device of the list; without a ``password`` it has the one of them all."""

    line: int
    device: str
    password: str | None = field(repr=False)
    dns: tuple[str, ...]
    ip: tuple[str, ...]


def read_devices(path: Path) -> list[Row]:
    """Return the devices; several host names or addresses of one are separated by blanks.

    Raises :class:`FileTrouble`, with the number of the line, for anything that is not such a file.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            rows = list(_rows(csv.DictReader(file, strict=True), path))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileTrouble(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    lines: dict[str, int] = {}
    for row in rows:
        if row.device in lines:
            raise FileTrouble(f"{path}: {row.device} is in line {lines[row.device]} and in line {row.line}.")
        lines[row.device] = row.line
    return rows


def _rows(reader: csv.DictReader[str], path: Path) -> Iterator[Row]:
    columns = set(reader.fieldnames or [])
    if "device" not in columns:
        raise FileTrouble(f"{path} has no column device in its first line.", "Begin it with: device,password,dns,ip")
    if strange := columns - _COLUMNS:
        raise FileTrouble(f"{path} has columns that mean nothing here: {', '.join(sorted(strange))}.")
    for record in reader:
        if None in record or not record["device"]:
            raise FileTrouble(f"{path}, line {reader.line_num}: a value too many, or no device.")
        yield Row(
            reader.line_num,
            record["device"],
            record.get("password") or None,
            tuple((record.get("dns") or "").split()),
            tuple((record.get("ip") or "").split()),
        )
