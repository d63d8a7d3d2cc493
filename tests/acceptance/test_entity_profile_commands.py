"""``midca entity-profile`` as an operator types it, and what a broken file does to the start and to a reload."""

import os
import signal

import pytest

from app.files.end_entity_profile_files import END_ENTITIES, end_entity_profile_json_schema
from app.settings import shipped
from tests.acceptance.server import PASSWORD
from tests.acceptance.test_cli import empty, midca, password_file  # noqa: F401 -- fixtures
from tests.acceptance.test_reload import reload, reloaded, server  # noqa: F401 -- a fixture, and what it needs
from tests.builders import csr, key, one_line

DOJOTS = (shipped("profiles") / END_ENTITIES / "EMPTY_CFREE.yaml").read_text()
SENSORS = DOJOTS.replace("enrolment_window: none", "enrolment_window: 1m").replace(
    "allowed: any", "allowed: [IOTmidCA]"
)


@pytest.fixture
def own(tmp_path):
    """Return what gives an installation end entity profiles of its own."""

    def own(base, text: str, name: str = "EMPTY_CFREE"):
        directory = base / "profiles" / END_ENTITIES
        directory.mkdir(exist_ok=True)
        (directory / f"{name}.yaml").write_text(text)
        return directory / f"{name}.yaml"

    return own


def test_list_and_show_read_the_files_without_a_data_directory(empty):  # noqa: F811
    assert [row["name"] for row in empty.json("entity-profile", "list")] == ["EMPTY", "EMPTY_CFREE"]
    rules = {row["key"]: row["rule"] for row in empty.json("entity-profile", "show", "EMPTY_CFREE")}
    assert rules["certificate_profiles"] == "CFREE; left out: CFREE."
    assert "EMPTY_CFREE" in empty("entity-profile", "show", "EMPTY_CFREE")
    assert "no end entity profile None; there are EMPTY" in empty("entity-profile", "show", "None", status=1)
    assert empty("entity-profile", "schema") == end_entity_profile_json_schema()
    assert empty("entity-profile", "schema", "--markdown").startswith("| key |")


def test_check_names_file_key_and_line_of_each_problem(empty, own, tmp_path):  # noqa: F811
    assert empty("entity-profile", "check").count(": good") == 1
    broken = own(empty.base, DOJOTS.replace("default: CFREE", "default: NONE"))
    other = tmp_path / "A.yaml"
    other.write_text(DOJOTS.replace("max: 1}", "max: 0}"))

    told = empty("entity-profile", "check", status=1)
    line = next(number for number, row in enumerate(DOJOTS.splitlines(), 1) if row.startswith("certificate_profiles"))
    assert f"{broken}: certificate_profiles: the default NONE is not allowed (line {line})" in told
    assert f"certificate_profiles: there is no NONE beside it (line {line})" in told
    assert told in empty("profile", "check", status=1)
    assert "A.yaml: subject.attributes.0.max" in empty("entity-profile", "check", other, status=1)


def test_file_that_contradicts_itself_stops_the_start(empty, own):  # noqa: F811
    text = DOJOTS.replace("min_length: 1", "min_length: 12")
    own(empty.base, text)
    line = next(number for number, row in enumerate(text.splitlines(), 1) if row.startswith("password:"))

    told = empty("init", status=3)

    assert f"EMPTY_CFREE.yaml: password: the default password dojot applies, and would be refused (line {line})" in told
    assert not (empty.data / "midca.sqlite").exists()


def test_end_entity_is_added_by_the_profile_that_is_named(midca, password_file):  # noqa: F811
    told = midca("entity", "add", "broker1", "--profile", "broker", status=1)
    assert "Couldn't find certificate profile (broker) among available certificate profiles." in told

    chosen = ("--profile", "broker", "--entity-profile", "EMPTY", "--password-file", password_file)
    added = midca.json("entity", "add", "broker1", *chosen)
    assert (added["profile"], added["entity profile"]) == ("broker", "EMPTY")
    assert midca.json("entity", "add", "f60c28")["entity profile"] == "EMPTY_CFREE"
    assert midca.json("entity", "rearm", "broker1")["status"] == "NEW"


@pytest.mark.slow
def test_running_server_reads_both_kinds_again_or_neither(server, own):  # noqa: F811
    path = own(server.base, SENSORS.replace("min_length: 1", "min_length: 12"))
    assert "EMPTY_CFREE.yaml: password:" in reload(server, status=3)
    before = server.workers()
    os.kill(server.process.pid, signal.SIGHUP)
    reloaded(server, before)
    assert "EMPTY_CFREE.yaml: password:" in server.log
    assert server.register("device0").status == 200

    path.write_text(SENSORS.replace("default: true", "default: false").replace("min_length: 1", "min_length: 32"))
    before = server.workers()
    reload(server)
    reloaded(server, before)

    assert server.register("device1", PASSWORD).status == 200
    assert server.register("device2", "short").status == 400
    assert server.sign("device1", one_line(csr(signing_key=key(1))), PASSWORD).status == 200


def test_names_and_dates_are_registered_and_shown(midca, password_file):  # noqa: F811
    chosen = ("--profile", "X509Identity", "--entity-profile", "EMPTY", "--password-file", password_file)
    names = (
        "--dns",
        "a.example",
        "--dns",
        "b.example",
        "--ip",
        "192.0.2.1",
        "--uri",
        "urn:a,b",
        "--email",
        "a@b.example",
    )

    added = midca.json("entity", "add", "f60c28", *chosen, *names, "--start", "2026-01-01", "--end", "30:0:0")

    assert added["alternative names"] == (
        r"dNSName=a.example, dNSName=b.example, iPAddress=192.0.2.1, uniformResourceIdentifier=urn:a\,b, "
        "rfc822Name=a@b.example"
    )
    assert (added["start"], added["end"]) == ("2026-01-01 00:00:00+00:00", "30:0:0")
    assert midca.json("entity", "show", "f60c28")["alternative names"] == added["alternative names"]
    assert "cannot be used" in midca("entity", "add", "other", *chosen, "--dns", "a_b", status=1)
    assert "is no dns name" in midca("entity", "add", "other", *chosen, "--dns", "a.example,IP:192.0.2.1", status=1)
    assert "alternative names" not in midca.json("entity", "add", "plain", *chosen)
