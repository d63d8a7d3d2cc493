"""``agent.toml``: a key that makes no sense is named, with the file and the section."""

from pathlib import Path

import pytest

from app.client.broker.configuration import load
from app.client.broker.dynamic_security import DynamicSecurity
from app.client.broker.reload import Signal, nothing
from app.client.errors import FileTrouble

GOOD = """\
[ca]
url = "http://127.0.0.1:5583"
name = "IOTmidCA"
root_sha256 = "ab:cd"

[certificate]
name = "mosca"
dns = ["localhost"]
"""


@pytest.fixture
def read(tmp_path):
    def read(text: str):
        (tmp_path / "agent.toml").write_text(text)
        return load(tmp_path)

    return read


def test_least_that_has_to_be_said(read, tmp_path):
    configuration = read(GOOD)

    assert configuration.ca.server.url == "http://127.0.0.1:5583"
    assert configuration.ca.root_sha256 == "AB:CD"
    assert configuration.ca.interval.total_seconds() == 2
    assert configuration.certificate.renew_before.days == 25
    assert (configuration.reload, configuration.sessions, configuration.ca.token_file) == (nothing, None, None)


def test_paths_begin_at_the_file(read, tmp_path):
    configuration = read(
        f"{GOOD}\n[reload]\npid_file = '/run/m.pid'\n[sessions]\nbroker = 'mosquitto'\nsocket = 'control.sock'\n"
        "user = 'agent'\npassword_file = 'secret'\n[metrics]\nfile = 'node/midca.prom'\n"
    )

    assert configuration.reload == Signal(Path("/run/m.pid"))
    assert configuration.sessions == DynamicSecurity(
        tmp_path / "control.sock", "127.0.0.1", 1883, "agent", tmp_path / "secret"
    )
    assert configuration.metrics_file == tmp_path / "node/midca.prom"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "ca.url: it must be there"),
        (GOOD.replace("url", "uri"), "ca.url: it must be there"),
        (GOOD.replace('"http://127.0.0.1:5583"', '"ftp://x"'), "not the URL of a server"),
        (GOOD.replace('"IOTmidCA"', "7"), "ca.name: it must be text"),
        (GOOD.replace('"IOTmidCA"', '""'), "ca.name: it is empty"),
        (GOOD.replace('["localhost"]', '"localhost"'), "certificate.dns: it must be a list"),
        (GOOD.replace('["localhost"]', "[1]"), "certificate.dns: it must be a list of texts"),
        (GOOD.replace('["localhost"]', '["a b "]'), "is no host name"),
        (GOOD + "more = 1\n", "certificate.more: there is no such key"),
        (GOOD + "[more]\n", "more: there is no such key"),
        (GOOD + "renew_days = 0\n", "certificate.renew_days: it must be a whole number from 1 to 3650"),
        (GOOD + "renew_days = true\n", "certificate.renew_days: it must be a whole number"),
        (GOOD + "key = 'dsa'\n", "certificate.key: it must be one of rsa, p256, ed25519"),
        (GOOD + "[reload]\npid_file = '/run/x'\ncommand = ['true']\n", "reload.command: there is no such key"),
        (GOOD + "[sessions]\nbroker = 'hivemq'\n", "sessions.broker: it must be one of"),
        (GOOD + "[sessions]\nbroker = 'mosquitto'\n", "sessions.user: it must be there"),
        (GOOD + "[sessions]\nbroker = 'emqx'\nurl = 'http://127.0.0.1:1'\n", "sessions.key: it must be there"),
        (GOOD + "[sessions]\nbroker = 'command'\n", "sessions.command: it must be there"),
        (GOOD + "[sessions]\nbroker = 'command'\ncommand = ['x', '{name}']\n", "could become an option"),
        (GOOD + "[sessions]\ncommand = ['x']\n", "sessions.command: there is no such key"),
        ("[ca", "is no TOML"),
        ("\udcff", "is no TOML"),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path, text, said):
    (tmp_path / "agent.toml").write_bytes(text.encode(errors="surrogateescape"))

    with pytest.raises(FileTrouble) as caught:
        load(tmp_path)

    assert said in str(caught.value)
    assert str(tmp_path / "agent.toml") in str(caught.value)


def test_directory_without_the_file_says_how_it_is_made(tmp_path):
    with pytest.raises(FileTrouble) as caught:
        load(tmp_path)

    assert "midca broker setup" in caught.value.advice
