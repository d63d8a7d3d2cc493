"""The files a user hands over, and those that are written."""

import os

import pytest

from app.client import files
from app.client.certification_request import Names
from app.client.device_files import check_file_names
from app.client.device_list import read_devices
from app.client.errors import ClientError, FileTrouble


def test_a_list_of_devices_is_read_as_spreadsheets_write_it(tmp_path):
    path = tmp_path / "devices.csv"
    path.write_bytes(b'\xef\xbb\xbfdevice,ip,password,dns\r\na1,,"p,w",\r\n"b2",192.0.2.1 ::1,,x.example y.example\r\n')

    rows = [(row.device, row.password, row.dns, row.ip) for row in read_devices(path)]

    assert rows == [("a1", "p,w", (), ()), ("b2", None, ("x.example", "y.example"), ("192.0.2.1", "::1"))]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no column device in its first line"),
        (b"id\na1\n", "no column device in its first line"),
        (b"device,pasword\na1,x\n", "columns that mean nothing here: pasword"),
        (b"device\na1\nb2\na1\n", "a1 is in lines 2 and 4"),
        (b"device,dns\na1,x,y\n", "line 2: a value too many"),
        (b"device,dns\na1,x\n,y\n", "line 3: a value too many, or no device"),
        (b"device,dns\na1,x\nb2,b\xc3\xbccher\n", "line 3: 'bücher' is no host name"),
        (b"device\n\xff\n", "cannot be read"),
        (b'device\n"a1\n', "cannot be read"),
    ],
)
def test_a_list_with_a_mistake_is_refused_with_its_line(content, reason, tmp_path):
    path = tmp_path / "devices.csv"
    path.write_bytes(content)

    with pytest.raises(FileTrouble, match=reason):
        read_devices(path)


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "-w", "a\nb", "a\0b"])
def test_a_name_that_cannot_be_a_files_is_refused(name):
    with pytest.raises(ClientError, match="cannot be the name of a file"):
        check_file_names([name], "IOTmidCA")
    with pytest.raises(ClientError, match="cannot be the name of a file"):
        check_file_names(["a1"], name)


@pytest.mark.parametrize("names", [["IOTmidCA"], ["a1", "a1-chain"], ["a1-chain", "a1"], ["a1", "a1"]])
def test_two_that_would_write_one_file_are_refused(names):
    with pytest.raises(ClientError, match="would both write the file"):
        check_file_names(names, "IOTmidCA")


def test_a_name_too_long_for_a_common_name_is_refused():
    with pytest.raises(ClientError, match="cannot be a common name"):
        Names.of("x" * 65)


@pytest.mark.parametrize(("dns", "ip"), [(["a b"], []), ([""], []), (["bücher.example"], []), ([], ["192.0.2"])])
def test_what_is_no_name_or_address_is_refused(dns, ip):
    with pytest.raises(ClientError):
        Names.of("a1", dns, ip)


def test_a_file_has_its_mode_and_replaces_what_a_kill_left(tmp_path):
    path = tmp_path / "a1.key"
    (tmp_path / ".a1.key.part").write_text("half")
    before = os.umask(0)
    try:
        files.write(path, b"one", files.SECRET)
        files.write(path, b"two", files.SECRET)
    finally:
        os.umask(before)

    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["a1.key"]


def test_what_cannot_be_written_or_read_is_told_with_its_path(tmp_path):
    path = tmp_path / "missing" / "a1.key"

    with pytest.raises(FileTrouble, match=r"a1\.key cannot be written: No such file"):
        files.write(path, b"x")
    with pytest.raises(FileTrouble, match="cannot be read: Is a directory"):
        files.read(tmp_path)
    with pytest.raises(FileTrouble, match="is not there"):
        files.read_secret(path)
    (tmp_path / "file").touch()
    with pytest.raises(FileTrouble, match="cannot be used"), files.sole_user(tmp_path / "file" / "certs"):
        pass
