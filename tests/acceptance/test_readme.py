"""README's commands are executed, with only the port and the data directory changed."""

import re
from pathlib import Path

from tests.conftest import require_tool, run

README = (Path(__file__).parent.parent.parent / "README.md").read_text()
EXECUTED = re.findall(r"<!-- executed by tests/acceptance/test_readme.py -->\n```sh\n(.*?)```", README, re.DOTALL)


def test_a_certificate_in_three_commands_and_a_look_at_it(server, tmp_path):
    for tool in ("curl", "openssl", "base64"):
        require_tool(tool)
    assert len(EXECUTED) == 2
    script = "set -eu -o pipefail\n" + "\n".join(EXECUTED)
    script = script.replace("127.0.0.1:5583", f"127.0.0.1:{server.port}").replace("var/", f"{server.data}/")

    done = run("bash", "-c", script, cwd=tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("f60c28.crt: OK\n")


def test_readme_names_the_two_commands_before_anything_else():
    first_block = README.split("```sh\n", 1)[1].split("```", 1)[0]
    assert [line.split("#")[0].strip() for line in first_block.splitlines()] == ["make serve", "make test"]
