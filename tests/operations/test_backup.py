"""What is in a backup, and what keeps one from being made or from being believed."""

import gzip
import hashlib
import io
import json
import os
import resource
import stat
import tarfile
from contextlib import closing, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

import pytest

from app.errors import InvalidInput, Unavailable
from app.files.protected import writing_once
from app.operations.backup import verify_backup
from app.store.audit_log import Action
from app.store.sqlite_library import sqlite3
from tests.backups import PASSPHRASE, back_up
from tests.conftest import Installation


def members(path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def rewritten(path, change) -> None:
    """Make the tar anew with what ``change`` leaves of its files."""
    files = members(path)
    change(files)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def without_the_page_of(name: str, content: bytes) -> bytes:
    """Return an SQLite database with zeros where the first page of an index or table was."""
    with NamedTemporaryFile() as file, closing(sqlite3.connect(file.name)) as connection:
        Path(file.name).write_bytes(content)
        [(number,)] = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,))
    page = int.from_bytes(content[16:18])
    return content[: (number - 1) * page] + bytes(page) + content[number * page :]


def left_behind(installation: Installation) -> set[str]:
    return {path.name for path in installation.base.iterdir()} - {"data", "profiles", "oracle"}


def test_backup_without_keys_holds_no_secret(installation):
    installation.add()
    made = back_up(installation)

    found = members(made.path)
    assert {name.split("/")[0] for name in found} == {
        "manifest.json",
        "midca.sqlite",
        "audit.checkpoints",
        "ca",
        "profiles",
    }
    assert {name for name in found if name.startswith("ca/")} == {
        "ca/certificates/IOTmidCA.pem",
        "ca/certificates/IOTrootCA.pem",
    }
    secrets = installation.settings.audit_key.parent
    everything = b"".join(found.values())
    for path in (*secrets.iterdir(), installation.settings.admin_token):
        assert path.read_bytes().strip() not in everything
    assert b"PRIVATE KEY" not in everything
    assert not made.with_keys


def test_secrets_are_in_it_sealed_and_the_passphrase_nowhere(installation):
    made = back_up(installation, passphrase=PASSPHRASE)

    found = members(made.path)
    assert "secrets.tar.fernet" in found
    everything = b"".join(found.values())
    assert b"PRIVATE KEY" not in everything
    assert (installation.settings.audit_key.parent / "key-passphrase").read_bytes().strip() not in everything
    assert PASSPHRASE.encode() not in everything
    assert PASSPHRASE not in json.dumps(installation.last_audit())


def test_short_passphrase_is_refused_and_leaves_nothing(installation):
    with pytest.raises(InvalidInput, match="16 characters"):
        back_up(installation, passphrase="short")
    assert left_behind(installation) == set()


def test_backup_is_private_and_verifies(installation):
    made = back_up(installation)

    assert stat.S_IMODE(made.path.stat().st_mode) == 0o600
    assert verify_backup(made.path).entries == made.entries
    assert left_behind(installation) == {"backup.tar"}


def test_backup_is_recorded_with_its_hash_and_is_the_last_one(installation):
    made = back_up(installation)

    entry = installation.last_audit()
    assert (entry["action"], entry["sha256"], entry["with_keys"]) == (Action.BACKUP_MADE, made.sha256, False)
    assert installation.services.checkpoints.restores.last_backup() == installation.clock()


def test_backup_that_cannot_be_recorded_is_not_made(installation):
    installation.break_inserts("audit_log")

    with pytest.raises(Unavailable):
        back_up(installation)
    assert left_behind(installation) == set()
    installation.mend_inserts()


def test_backup_replaces_nothing(installation):
    first = back_up(installation).path.read_bytes()

    with pytest.raises(InvalidInput, match="is there already"):
        back_up(installation)
    assert (installation.base / "backup.tar").read_bytes() == first


def test_directory_that_cannot_be_written_is_named(installation):
    (installation.base / "file").touch()

    with pytest.raises(Unavailable, match="Not a directory"):
        back_up(installation, "file/backup.tar")


@pytest.mark.sqlite_only
def test_damaged_database_is_not_backed_up_as_if_it_were_whole(installation):
    installation.add()
    installation.services.database.close()  # what it has read, or has not yet written to the file, stays good
    path = installation.settings.database
    whole = path.read_bytes()
    path.write_bytes(without_the_page_of("end_entities_by_status", whole))

    with pytest.raises(Unavailable, match=r"damaged|malformed"):
        back_up(installation)
    assert left_behind(installation) == set()
    path.write_bytes(whole)


DAMAGES = {
    "a file was changed": (lambda files: files.update({"ca/certificates/IOTmidCA.pem": b"x"}), "SHA-256 differs"),
    "a file is missing": (lambda files: files.pop("audit.checkpoints"), "audit.checkpoints is missing"),
    "the manifest is missing": (lambda files: files.pop("manifest.json"), "manifest.json is missing"),
    "the manifest is no JSON": (lambda files: files.update({"manifest.json": b"{"}), "no manifest"),
    "it is of another format": (
        lambda files: files.update({"manifest.json": files["manifest.json"].replace(b'"format": 1', b'"format": 2')}),
        "no manifest",
    ),
    "a file would lie outside": (
        lambda files: files.update({"manifest.json": files["manifest.json"].replace(b"profiles/", b"../profiles/")}),
        "no manifest",
    ),
    "the log has another length": (
        lambda files: files.update({"manifest.json": files["manifest.json"].replace(b'"entries": 1', b'"entries": 9')}),
        "the manifest says 9",
    ),
}


@pytest.mark.parametrize(("damage", "sentence"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_found(installation, damage, sentence):
    path = back_up(installation).path
    rewritten(path, damage)

    with pytest.raises(InvalidInput, match=sentence):
        verify_backup(path)


@pytest.mark.parametrize("octets", [0, 100, 10_000, 100_000])
def test_file_that_was_cut_off_is_found(installation, octets):
    path = back_up(installation).path
    os.truncate(path, octets)

    with pytest.raises(InvalidInput, match=r"cut off|is missing|SHA-256"):
        verify_backup(path)


def test_database_that_was_damaged_before_it_was_hashed_is_found(installation):
    installation.add()
    path = back_up(installation).path

    def damage(files) -> None:
        old = files["midca.sqlite"]
        new = without_the_page_of("end_entities_by_status", old)
        files["midca.sqlite"] = new
        hashes = (hashlib.sha256(content).hexdigest().encode() for content in (old, new))
        files["manifest.json"] = files["manifest.json"].replace(*hashes)

    rewritten(path, damage)

    with pytest.raises((InvalidInput, Unavailable), match=r"damaged|malformed"):
        verify_backup(path)


def test_compressed_backup_is_a_backup(installation):
    path = back_up(installation).path
    compressed = path.with_suffix(".tar.gz")
    compressed.write_bytes(gzip.compress(path.read_bytes()))

    assert verify_backup(compressed).entries == verify_backup(path).entries
    compressed.write_bytes(compressed.read_bytes()[:-2000])
    with pytest.raises(InvalidInput, match="cut off"):
        verify_backup(compressed)


@pytest.mark.parametrize("octets", [0, 4096, 65536, 180_000])
def test_disk_that_fills_up_leaves_no_half_backup(installation, octets):
    """The limit on the size of a file stands for the full disk; there is a real one in tests/acceptance."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, before[1]))
    try:
        with pytest.raises(Unavailable):
            back_up(installation)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert left_behind(installation) == set()
    assert back_up(installation).entries > 0


def test_block_that_raises_leaves_no_file(tmp_path):
    with suppress(RuntimeError), writing_once(tmp_path / "file") as file:
        file.write(b"half")
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []
