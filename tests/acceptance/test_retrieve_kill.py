"""`midca retrieve` is killed wherever it changes the directory: no file is half there, and the next run goes on."""

import signal
import sys
from pathlib import Path

import pytest

from tests.acceptance.retriever import SMALL_KEYS
from tests.acceptance.server import environment
from tests.conftest import run
from tests.gateway import PASSWORD, USER

pytestmark = pytest.mark.slow
KILLED = """
import os, sys
from app.client import files
from app.client.command import retrieve

left = int(sys.argv.pop(1))
replace = files.Path.replace

def killed(*arguments):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), 9)
    return replace(*arguments)

files.Path.replace = killed
retrieve()
"""
"""Kills itself where it would give a file its name for the so-many-th time."""


@pytest.mark.parametrize("overwrite", [False, True], ids=["first", "again"])
def test_a_run_that_is_killed_leaves_whole_files_and_the_next_goes_on(overwrite, shared_server, retriever, new_device):
    own = environment(shared_server.base) | {"DOJOT_PASSWORD": PASSWORD, "PYTHONPATH": str(Path(__file__).parents[2])}
    options = ["--key-type", "p256", "-w"] if overwrite else ["--key-type", "p256"]
    for step in range(1, 30):
        device = new_device(**SMALL_KEYS)
        if overwrite:
            retriever(device, "--key-type", "p256")
            shared_server.register(device, "dojot", **SMALL_KEYS)
        command = [sys.executable, "-c", KILLED, step, retriever.gateway.url, device, "-u", USER, *options]
        done = run(*command, "--out", retriever.folder, env=own, timeout=60)

        for content in retriever.content(device).values():
            assert content.startswith(b"-----BEGIN ")
            assert content.endswith(b"-----\n")
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        retriever(device, *options)

        assert retriever.certificate(device).public_key() == retriever.key(device).public_key()
        assert len(shared_server.issued_to(device)) == 1 + overwrite
    assert step > 8
    assert list(retriever.folder.glob(".*")) == []
