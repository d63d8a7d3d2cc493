import os

import pytest

from app.client.errors import FileTrouble
from app.client.files import is_there as is_there_for_a_client
from app.errors import ConfigurationError
from app.files.presence import entries, files_below, is_directory, is_file, is_there

ASKED = [is_there, is_directory, is_file, is_there_for_a_client]


@pytest.fixture
def loop(tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    return loop


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.__module__}.{asked.__name__}")
def test_what_cannot_be_seen_is_an_error_and_not_missing(loop, asked):
    with pytest.raises((ConfigurationError, FileTrouble), match="loop cannot be looked at: Too many levels"):
        asked(loop)


@pytest.mark.parametrize("listed", [entries, files_below])
def test_directory_that_cannot_be_listed_is_an_error_and_not_empty(loop, listed):
    with pytest.raises(ConfigurationError, match="loop cannot be looked at: Too many levels"):
        listed(loop)


def test_directory_below_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refused(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ConfigurationError, match=r"closed cannot be looked at: Permission denied\. Run midca as"):
        files_below(tmp_path)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.__module__}.{asked.__name__}")
def test_what_is_missing_is_not_there(tmp_path, asked):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")

    assert not asked(tmp_path / "nothing")
    assert not asked(tmp_path / "file" / "below")
    assert not asked(tmp_path / "dangling")


def test_nothing_has_a_name_too_long_for_a_file(tmp_path):
    assert not is_there(tmp_path / ("x" * 300))


@pytest.mark.parametrize("listed", [entries, files_below])
def test_in_what_is_no_directory_is_nothing(tmp_path, listed):
    (tmp_path / "file").touch()

    assert listed(tmp_path / "nothing") == listed(tmp_path / "file") == []


def test_files_and_directories_are_told_apart(tmp_path):
    (tmp_path / "file").touch()

    assert (is_file(tmp_path / "file"), is_directory(tmp_path / "file")) == (True, False)
    assert (is_file(tmp_path), is_directory(tmp_path)) == (False, True)
    assert is_there(tmp_path)
    assert is_there_for_a_client(tmp_path)


def test_what_is_in_a_directory_is_listed_in_order(tmp_path):
    (tmp_path / "b" / "c").mkdir(parents=True)
    for name in ("b/c/d.pem", "b/a.pem", "z.txt", "a.pem"):
        (tmp_path / name).touch()

    assert [path.name for path in entries(tmp_path)] == ["a.pem", "b", "z.txt"]
    assert [path.name for path in entries(tmp_path, ".pem")] == ["a.pem"]
    assert [str(path.relative_to(tmp_path)) for path in files_below(tmp_path)] == [
        "a.pem", "b/a.pem", "b/c/d.pem", "z.txt",
    ]  # fmt: skip
