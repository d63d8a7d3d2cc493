"""The CSV file of many devices: ``device``, and if there are such columns ``password``, ``dns`` and ``ip``."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from .certification_request import Names
from .errors import ClientError, FileTrouble

_COLUMNS: Final = {"device", "password", "dns", "ip"}


@dataclass(frozen=True)
class Row:
    """A device of the list; without a ``password`` it has the one of them all."""

    device: str
    password: str | None = field(repr=False)
    dns: tuple[str, ...]
    ip: tuple[str, ...]


def read_devices(path: Path) -> list[Row]:
    """Return the devices; several host names or addresses of one are separated by blanks.

    Raises :class:`FileTrouble`, with the number of the line, for anything that is not such a file.
    """
    lines: dict[str, int] = {}
    rows = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets write a byte order mark
            reader = csv.DictReader(file, strict=True)
            _check_columns(set(reader.fieldnames or []), path)
            for record in reader:
                row = _row(record, f"{path}, line {reader.line_num}")
                if row.device in lines:
                    raise FileTrouble(f"{path}: {row.device} is in lines {lines[row.device]} and {reader.line_num}.")
                lines[row.device] = reader.line_num
                rows.append(row)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileTrouble(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
    return rows


def _check_columns(columns: set[str], path: Path) -> None:
    if "device" not in columns:
        raise FileTrouble(f"{path} has no column device in its first line.", "Begin it with: device,password,dns,ip")
    if strange := columns - _COLUMNS:
        raise FileTrouble(f"{path} has columns that mean nothing here: {', '.join(sorted(strange))}.")


def _row(record: dict[str | Any, str | Any], where: str) -> Row:
    if None in record or not record["device"]:
        raise FileTrouble(f"{where}: a value too many, or no device.")
    row = Row(
        record["device"],
        record.get("password") or None,
        tuple((record.get("dns") or "").split()),
        tuple((record.get("ip") or "").split()),
    )
    try:
        Names.of(row.device, row.dns, row.ip)
    except ClientError as error:
        raise FileTrouble(f"{where}: {error}", error.advice) from error
    return row
