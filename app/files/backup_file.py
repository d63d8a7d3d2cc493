"""A backup: one tar file that begins with a manifest of what is in it, file by file with its SHA-256.

``manifest.json``, ``midca.sqlite``, ``audit.checkpoints``, ``ca/certificates/``, ``profiles/``, and with the keys
``secrets.tar.fernet``: a sealed tar of ``ca/`` and ``secrets/``. It may be compressed by any tool that Python's
``tarfile`` reads.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import lzma
import os
import re
import tarfile
import zlib
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from marshmallow import Schema, ValidationError, fields, validate

from app.errors import InvalidInput
from app.files import presence

if TYPE_CHECKING:
    from collections.abc import Iterator

DATABASE: Final = "midca.sqlite"
CHECKPOINTS: Final = "audit.checkpoints"
CERTIFICATES: Final = "ca/certificates/"
PROFILES: Final = "profiles/"
SECRETS: Final = "secrets.tar.fernet"
_MANIFEST: Final = "manifest.json"
_FORMAT: Final = 1
_CHUNK: Final = 1024 * 1024
_DAMAGED: Final = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, lzma.LZMAError)
_NAME: Final = re.compile(r"(?!\.)[^/\0]+(/(?!\.)[^/\0]+)*")  # no way out of the directory it is put into


class _FileSchema(Schema):
    size = fields.Int(required=True, strict=True, validate=validate.Range(min=0))
    sha256 = fields.Str(required=True)


class _SealSchema(Schema):
    n = fields.Int(required=True, strict=True, validate=validate.Range(min=2))
    r = fields.Int(required=True, strict=True, validate=validate.Range(min=1, max=32))
    p = fields.Int(required=True, strict=True, validate=validate.Range(min=1, max=16))
    salt = fields.Str(required=True)


class _ManifestSchema(Schema):
    format = fields.Int(required=True, validate=validate.Equal(_FORMAT))
    made_at = fields.AwareDateTime(required=True)
    made_by = fields.Str(required=True)
    entries = fields.Int(required=True, strict=True, validate=validate.Range(min=0))
    verifier = fields.Str(required=True)
    seal = fields.Nested(_SealSchema, required=True, allow_none=True)
    files = fields.Dict(
        keys=fields.Str(validate=validate.Regexp(re.compile(_NAME.pattern + r"\Z"))),
        values=fields.Nested(_FileSchema),
        required=True,
    )


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself.

    ``made_by`` is the version of midca, ``entries`` the length of the audit log, ``verifier`` the public key of its
    checkpoints, ``seal`` how the key of the secrets is made, None where there are none. ``files``: name to SHA-256.
    """

    made_at: datetime
    made_by: str
    entries: int
    verifier: str
    seal: Mapping[str, Any] | None
    files: Mapping[str, str]


def write_backup(file: BinaryIO, manifest: Manifest, members: Mapping[str, bytes | Path]) -> None:
    """Write a backup of ``members``, by name as bytes or where they lie, and a manifest that lists them."""
    described = {name: _described(content) for name, content in members.items()}
    told = {**vars(manifest), "made_at": manifest.made_at.isoformat(), "format": _FORMAT, "files": described}
    text = json.dumps(told, indent=2, sort_keys=True).encode() + b"\n"
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, _MANIFEST, io.BytesIO(text), len(text))
        for name, content in members.items():
            with _opened(content) as source:
                _add(tar, name, source, int(described[name]["size"]))


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return a tar of small files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in members.items():
            _add(tar, name, io.BytesIO(content), len(content))
    return buffer.getvalue()


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the files of :func:`packed`; raise :class:`InvalidInput` when one would lie outside."""
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = {member.name: tar.extractfile(member) for member in tar}
        if bad := [name for name, file in members.items() if file is None or not _NAME.fullmatch(name)]:
            raise InvalidInput(f"The secrets hold {bad[0]!r}, which is no file of midca.")
        return {name: file.read() for name, file in members.items() if file is not None}


class BackupReader:
    """An open backup. Everything read from it is held against the manifest."""

    def __init__(self, path: Path, tar: tarfile.TarFile) -> None:
        """Read the manifest of an open tar; use :func:`open_backup`."""
        self.path = path
        self._tar = tar
        self.manifest = self._manifest()

    def names(self, prefix: str) -> list[str]:
        """Return the names of the files that begin so."""
        return [name for name in self.manifest.files if name.startswith(prefix)]

    def read(self, name: str) -> bytes:
        """Return a small file."""
        buffer = io.BytesIO()
        self.copy(name, buffer)
        return buffer.getvalue()

    def copy(self, name: str, target: BinaryIO) -> None:
        """Write a file to ``target``; raise :class:`InvalidInput` when it is not the one that was backed up."""
        digest = hashlib.sha256()
        source = self._file(name)
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            target.write(chunk)
        if digest.hexdigest() != self.manifest.files.get(name):
            raise InvalidInput(f"{self.path}: {name} is not what was backed up, its SHA-256 differs.")

    def _file(self, name: str) -> Any:
        try:
            found = self._tar.extractfile(name)
        except KeyError:
            found = None
        if found is None:
            raise InvalidInput(f"{self.path}: {name} is missing.")
        return found

    def _manifest(self) -> Manifest:
        try:
            told = _ManifestSchema().loads(self._file(_MANIFEST).read().decode())
        except (ValidationError, ValueError) as error:
            raise InvalidInput(f"{self.path} has no manifest that this version of midca can read: {error}") from error
        del told["format"]
        files = {name: described["sha256"] for name, described in told.pop("files").items()}
        return Manifest(**told, files=files)


@contextmanager
def open_backup(path: Path) -> Iterator[BackupReader]:
    """Open a backup; raise :class:`InvalidInput`, here or in the block, when it is none or was damaged."""
    try:
        with tarfile.open(path) as tar:
            yield BackupReader(path, tar)
    except _DAMAGED as error:
        told = str(error).partition(":\n")[0]  # behind it stands what each kind of compression says, a line each
        raise InvalidInput(f"{path} is no backup of midca, or was cut off: {told}.") from error


def files_below(directory: Path, prefix: str) -> dict[str, bytes]:
    """Return the files below a directory by name, all but hidden ones: these are half written, or a lock."""
    return {
        f"{prefix}{path.relative_to(directory)}": path.read_bytes()
        for path in presence.files_below(directory)
        if not any(part.startswith(".") for part in path.relative_to(directory).parts)
    }


def _described(content: bytes | Path) -> dict[str, int | str]:
    with _opened(content) as source:
        return {"sha256": hashlib.file_digest(source, "sha256").hexdigest(), "size": source.seek(0, os.SEEK_END)}


def _opened(content: bytes | Path) -> io.BytesIO | io.BufferedReader:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")


def _add(tar: tarfile.TarFile, name: str, source: BinaryIO, size: int) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid = size, 0o600, os.geteuid(), os.getegid()
    tar.addfile(info, source)
