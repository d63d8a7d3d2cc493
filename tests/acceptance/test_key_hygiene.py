"""What others could learn of a key from the process that holds it."""

import os
import subprocess
import sys

from tests.acceptance.server import environment
from tests.conftest import run

# prctl(PR_GET_DUMPABLE) and the limit, as a command finds them.
ASKED = """
import ctypes, resource, sys
from app import command
def asked(**_):
    print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), *resource.getrlimit(resource.RLIMIT_CORE))
command.cli = asked
command.main()
"""
WSGI = ASKED.partition("command.cli")[0].replace("from app import command", "") + (
    "\nimport app.bootstrap, app.web\n"
    "app.bootstrap.open_services = lambda *_, **__: asked() or type('Opened', (), {'services': None})\n"
    "app.web.create_app = lambda _: None\nimport wsgi\n"
)
CRASHES = """
import os, resource
from app.files.core_dumps import forbid_core_dumps
resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
forbid_core_dumps()
os.abort()
"""


def test_no_command_can_be_dumped_or_attached_to(tmp_path):
    done = run(sys.executable, "-c", ASKED, env=environment(tmp_path))

    assert done.stdout == "0 0 0\n", done.stderr


def test_application_under_another_wsgi_server_cannot_be_dumped_either(tmp_path):
    done = run(sys.executable, "-c", WSGI, env=environment(tmp_path))

    assert done.stdout == "0 0 0\n", done.stderr


def test_crash_leaves_no_core(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CRASHES], cwd=tmp_path)
    _, status = os.waitpid(child.pid, 0)
    child.returncode = status

    assert status & 0x7F == 6
    assert not status & 0x80  # the kernel's "core dumped"
    assert list(tmp_path.iterdir()) == []
