import pytest

from app.client import presence as of_client
from app.files import presence

ASKED = [presence.is_there, presence.is_directory, presence.is_file, of_client.is_there]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.__module__}.{asked.__name__}")
def test_what_cannot_be_seen_is_an_error_and_not_missing(tmp_path, asked):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)

    with pytest.raises(OSError, match="symbolic links"):
        asked(loop)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: f"{asked.__module__}.{asked.__name__}")
def test_what_is_missing_is_not_there(tmp_path, asked):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nothing")

    assert not asked(tmp_path / "nothing")
    assert not asked(tmp_path / "file" / "below")
    assert not asked(tmp_path / "dangling")


def test_files_and_directories_are_told_apart(tmp_path):
    (tmp_path / "file").touch()

    assert (presence.is_file(tmp_path / "file"), presence.is_directory(tmp_path / "file")) == (True, False)
    assert (presence.is_file(tmp_path), presence.is_directory(tmp_path)) == (False, True)
    assert presence.is_there(tmp_path)
    assert of_client.is_there(tmp_path)
