"""README's commands are executed, with only the port and the data directory changed."""

import re
import shutil
from pathlib import Path

from tests.conftest import require_tool, run

REPOSITORY = Path(__file__).parent.parent.parent
README = (REPOSITORY / "README.md").read_text()
EXECUTED = re.findall(r"<!-- executed by tests/acceptance/test_readme.py -->\n```sh\n(.*?)```", README, re.DOTALL)


def test_a_certificate_in_three_commands_and_a_look_at_it(server, tmp_path):
    for tool in ("curl", "openssl", "base64"):
        require_tool(tool)
    assert len(EXECUTED) == 2
    script = "set -eu -o pipefail\n" + "\n".join(EXECUTED)
    script = script.replace("127.0.0.1:5583", f"127.0.0.1:{server.port}").replace("var/", f"{server.data}/")
    checkout = tmp_path / "checkout"
    checkout.mkdir()

    done = run("bash", "-c", script, cwd=checkout)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("f60c28.crt: OK\n")
    assert seen_by_git(checkout) == [".gitignore"]  # a key that `git add .` takes is published


def seen_by_git(checkout: Path) -> list[str]:
    git = require_tool("git")
    shutil.copy(REPOSITORY / ".gitignore", checkout)
    run(git, "init", "--quiet", cwd=checkout)
    return run(git, "ls-files", "--others", "--exclude-standard", cwd=checkout).stdout.split()


def test_readme_names_the_two_commands_before_anything_else():
    first_block = README.split("```sh\n", 1)[1].split("```", 1)[0]
    assert [line.split("#")[0].strip() for line in first_block.splitlines()] == ["make serve", "make test"]
