"""``midca entity import``."""

import csv
import json
import os
import stat

import pytest
from click.testing import CliRunner

from app.frontends.admin_cli import entity_import
from app.operations.end_entities import EndEntities
from tests.acceptance.test_cli import Shell
from tests.acceptance.test_cli import midca as midca  # noqa: PLC0414 -- the fixture
from tests.builders import csr, one_line
from tests.conftest import ACTOR

RANDOM = "abcdefghijklmnopqrstuvwxyz"

pytestmark = pytest.mark.slow


@pytest.fixture
def lines(tmp_path):
    """Write a file and return its path."""

    def write(*rows: str):
        path = tmp_path / "devices.csv"
        path.write_text("".join(f"{row}\n" for row in rows))
        return path

    return write


def test_adds_whom_the_file_names_and_again_only_whom_it_named_since(midca: Shell, lines):
    file = lines("name,password", *(f"device{number},{RANDOM}{number}" for number in range(450)))

    assert midca("entity", "import", file) == "450 added, 0 were there already, 0 refused.\n"
    file = lines("name,password", f"new,{RANDOM}", f"device7,{RANDOM}")
    assert midca.json("entity", "import", file) == {"added": 1, "present": 1, "refused": []}

    assert len(midca.json("entity", "list", "--limit", "1000")) == 451
    assert len(midca.json("audit", "list", "--action", "entity.added", "--limit", "1000")) == 451


def test_columns_are_what_entity_add_has_options_for(midca: Shell, lines):
    row = f'gate,{RANDOM},"CN=gate,O=Plant",gate.example gate2.example,192.0.2.7,EMPTY,X509Identity'
    midca("entity", "import", lines("name,password,subject,dns,ip,entity-profile,profile", row))

    shown = midca.json("entity", "show", "gate")
    assert shown["subject"] == "CN=gate,O=Plant"
    assert shown["alternative names"] == "dNSName=gate.example, dNSName=gate2.example, iPAddress=192.0.2.7"
    assert (shown["profile"], shown["entity profile"]) == ("X509Identity", "EMPTY")


def test_random_passwords_are_in_a_file_that_its_owner_alone_reads_and_are_good(midca: Shell, lines, tmp_path):
    made, request, password = tmp_path / "made.csv", tmp_path / "request.csr", tmp_path / "password"
    file = lines("name", "one", "two")
    assert "2 have no password" in midca("entity", "import", file, status=1)
    assert midca.json("entity", "list") == []

    midca("entity", "import", file, "--passwords", made)

    assert stat.S_IMODE(made.stat().st_mode) == 0o600
    passwords = {row["name"]: row["password"] for row in csv.DictReader(made.read_text().splitlines())}
    assert list(passwords) == ["one", "two"]
    request.write_text(one_line(csr("two")))
    password.write_text(passwords["two"])
    assert "BEGIN CERTIFICATE" in midca("sign", "two", request, "--password-file", password)
    assert "cannot be made: File exists" in midca("entity", "import", file, "--passwords", made, status=1)


def test_password_file_of_an_import_that_is_run_again_names_only_whom_it_added(midca: Shell, lines, tmp_path):
    midca("entity", "import", lines("name", "one"), "--passwords", tmp_path / "first.csv")
    made, file = tmp_path / "second.csv", lines("name", "one", "two", "two")

    assert midca.json("entity", "import", file, "--passwords", made) == {"added": 1, "present": 2, "refused": []}

    assert [row["name"] for row in csv.DictReader(made.read_text().splitlines())] == ["two"]


def test_passwords_are_on_disk_before_they_are_good(installation, monkeypatch, lines, tmp_path):
    monkeypatch.setattr(entity_import, "services", lambda: installation.services)
    monkeypatch.setattr(entity_import, "operator", lambda: ACTOR)
    made, synced = tmp_path / "made.csv", []

    def fsync(descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), made.stat()):
            synced.append(made.read_text())
        real_fsync(descriptor)

    def put_all(entities, registrations, *args, **kwargs):
        registrations = list(registrations)
        for each in registrations:
            assert f"{each.username},{each.password}\n" in synced[-1].replace("\r\n", "\n")
        return real_put_all(entities, registrations, *args, **kwargs)

    real_fsync, real_put_all = os.fsync, EndEntities.put_all
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(EndEntities, "put_all", put_all)
    file = lines("name", *(f"device{number}" for number in range(201)))

    done = CliRunner().invoke(entity_import.import_entities, [str(file), "--passwords", str(made)])

    assert done.output.endswith("201 added, 0 were there already, 0 refused.\n"), done
    assert len(synced) == 2


def test_who_is_refused_is_told_with_line_and_reason_and_keeps_nobody_else_out(midca: Shell, lines):
    file = lines("name,password,ca", f"a,{RANDOM},", f"b,{RANDOM},NoCA", f"c\x1b,{RANDOM},", f"d,{RANDOM},IOTmidCA")

    told = midca("entity", "import", file, status=1)

    assert "line 3: 'b': " in told
    assert "line 4: 'c\\x1b': " in told
    assert [row["name"] for row in midca.json("entity", "list")] == ["a", "d"]


def test_a_broken_file_is_refused_before_anybody_is_added(midca: Shell, tmp_path):
    file = tmp_path / "devices.csv"
    for text, sentence in (
        ("", "a first line with the column name"),
        ("name,password,colour\na,b,c", "a first line with the column name"),
        ("name,name\na,b", "a first line with the column name"),
        (f"name,password\na,{RANDOM}\nc", "line 3: as many fields"),
        ("name,password\na,b,c", "line 2: as many fields"),
        (f'name,password\na,{RANDOM}\nb,"b', "cannot be read"),
    ):
        file.write_text(text)
        assert sentence in midca("entity", "import", file, status=1)
    assert midca.json("entity", "list") == []


def test_a_file_of_a_spreadsheet_is_read(midca: Shell, tmp_path):
    file = tmp_path / "devices.csv"
    file.write_text(f"\ufeffname,password\r\ndevice,{RANDOM}\r\n")

    assert json.loads(midca("entity", "import", file, "--json"))["added"] == 1
