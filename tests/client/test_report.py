import shlex
from pathlib import Path

import pytest

from app.client.authority import Authority
from app.client.http_server import HttpServer
from app.client.report import Report


@pytest.mark.parametrize(
    ("name", "client", "topic"),
    [("f60c28", "admin:f60c28", "/admin/f60c28/attrs"), ("t1:f60c28", "t1:f60c28", "t1:f60c28/attrs")],
)
def test_the_line_to_try_has_the_topic_of_the_generation_and_is_quoted(name, client, topic):
    authority = Authority("IOTmidCA", HttpServer.at("http://localhost").json)
    line = Report(Path("my certs"), authority, ("localhost", 8883), "admin").mosquitto_pub(name)

    words = shlex.split(line)
    assert words[words.index("-i") + 1] == client
    assert words[words.index("-t") + 1] == topic
    assert words[words.index("--cert") + 1] == f"my certs/{name}.crt"
