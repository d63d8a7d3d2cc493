import pytest

from app.errors import ConfigurationError
from app.files.protected import write_once
from app.files.server_process import ServerProcess


def test_a_file_that_cannot_be_written_is_refused_by_its_path(tmp_path):
    (tmp_path / "file").write_text("in the place of a directory")

    with pytest.raises(ConfigurationError, match=r"file/key cannot be written: Not a directory"):
        write_once(tmp_path / "file" / "key", b"secret")


def test_a_server_whose_data_directory_is_gone_ends_without_a_complaint(tmp_path):
    process = ServerProcess(tmp_path / "server.pid")
    assert process.hold()
    process.path.unlink()

    process.release()

    assert not process.path.exists()
