"""The commands of docs/broker.md are executed, with only the port and the place of the broker changed."""

import re
from pathlib import Path

from tests.acceptance.server import MIDCA
from tests.conftest import require_tool, run

DOCUMENT = (Path(__file__).parents[2] / "docs" / "broker.md").read_text()
EXECUTED = re.findall(
    r"<!-- executed by tests/acceptance/test_broker_docs.py -->\n```sh\n(.*?)```", DOCUMENT, re.DOTALL
)
RULES = re.search(r"```yaml\n(groups:.*?)```", DOCUMENT, re.DOTALL)[1]


def test_commands_set_a_broker_up_and_look_at_it(server, tmp_path):
    require_tool("openssl")
    assert len(EXECUTED) == 2
    script = "set -eu -o pipefail\n" + EXECUTED[0] + quiet() + EXECUTED[1]
    script = script.replace("127.0.0.1:5583", f"127.0.0.1:{server.port}").replace(
        "/var/lib/midca-broker", f"{tmp_path}/mosca"
    )
    environment = server.environment | {"PATH": f"{MIDCA.parent}:{server.environment['PATH']}"}

    done = run("bash", "-c", script, cwd=tmp_path, env=environment)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("All is well.\nAll is well.\nmosca/broker.pem: OK\n")


def quiet() -> str:
    """The broker is not there: nobody can be told to read files or to end sessions."""
    return "sed -i '/^.reload.$/,$d' mosca/agent.toml\n"


def test_rules_are_prometheus_own(tmp_path):
    rules = tmp_path / "rules.yml"
    rules.write_text(RULES)

    checked = run(require_tool("promtool"), "check", "rules", rules)

    assert checked.returncode == 0, checked.stdout + checked.stderr
