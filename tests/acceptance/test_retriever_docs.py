"""The commands of docs/retriever.md are executed, with only the URLs and the user's password changed."""

import os
import re
from pathlib import Path

import pytest

from app.client.command import retrieve
from tests.acceptance.retriever import files_of
from tests.acceptance.server import MIDCA, environment
from tests.conftest import require_tool, run
from tests.gateway import PASSWORD, Gateway, tls_certificate

pytestmark = pytest.mark.slow
DOCUMENT = (Path(__file__).parents[2] / "docs" / "retriever.md").read_text()
EXECUTED = re.findall(
    r"<!-- executed by tests/acceptance/test_retriever_docs.py -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL
)


def test_the_commands_of_the_document_work(shared_server, tmp_path):
    require_tool("openssl")
    for name, password in {
        "f60c28": "dojot",
        "f60c29": "one-time-secret",
        "a1b2c3": "dojot",
        "d4e5f6": "other-secret",
    }.items():
        assert shared_server.register(name, password).status == 200
    script = "set -eu -o pipefail\n" + "\n".join(EXECUTED)
    path = f"{MIDCA.parent}:{os.environ['PATH']}"
    with Gateway(shared_server.port, certificate=tls_certificate(tmp_path / "dojot-https.pem")) as gateway:
        script = script.replace("https://dojot.example.org:8443", gateway.url)
        script = script.replace("127.0.0.1:5583", f"127.0.0.1:{shared_server.port}")
        script = script.replace("DOJOT_PASSWORD=admin", f'DOJOT_PASSWORD="{PASSWORD}"')
        done = run("bash", "-c", script, cwd=tmp_path, env=environment(shared_server.base) | {"PATH": path})

    assert len(EXECUTED) == 4
    assert done.returncode == 0, done.stdout + done.stderr
    assert "certs/f60c28.crt: OK" in done.stdout
    assert {path.name for path in (tmp_path / "certs").iterdir()} == files_of("f60c28", "f60c29", "a1b2c3", "d4e5f6")


@pytest.mark.parametrize("option", [each for each in retrieve.params if each.param_type_name == "option"], ids=str)
def test_the_document_names_every_option(option):
    assert set(option.opts) & set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", DOCUMENT))
