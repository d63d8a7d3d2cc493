"""TLS of midca's own, set up as docs/operations.md has it."""

import re
from pathlib import Path

from tests.acceptance.server import MIDCA, RunningServer
from tests.conftest import require_tool, run

DOCUMENT = Path(__file__).parents[2] / "docs" / "operations.md"


def give_tls(server: RunningServer) -> None:
    """Make the CA of a server that does not run yet, and a certificate for localhost; it then takes clients' too."""
    require_tool("openssl")
    made = run(MIDCA, "init", env=server.environment, cwd=server.base)
    assert made.returncode == 0, made.stderr
    (commands,) = re.findall(r"test_tls.py -->\n```sh\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    script = "set -eu\n" + commands.replace("ca.example.org", "localhost").replace("midca ", f"{MIDCA} ")
    done = run("bash", "-c", script, cwd=server.base, env=server.environment)
    assert done.returncode == 0, done.stderr
    server.environment |= {
        "MIDCA_TLS_CERTIFICATE": str(server.base / "tls.crt"),
        "MIDCA_TLS_KEY": str(server.base / "tls.key"),
        "MIDCA_TLS_CLIENT_CA": str(server.base / "ca.pem"),
        "MIDCA_AUTH": "tokens,certificates",
    }
