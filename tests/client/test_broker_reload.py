"""How a broker is told to read its files again."""

import os
import subprocess

import pytest

from app.client.broker.reload import Command, Signal
from app.client.errors import ClientError


@pytest.fixture
def pid_file(tmp_path):
    return tmp_path / "broker.pid"


def test_process_in_the_file_gets_sighup(pid_file):
    with subprocess.Popen(["sleep", "60"]) as broker:
        pid_file.write_text(f"{broker.pid}\n")

        Signal(pid_file)()

        assert broker.wait(10) == -1


def test_broker_that_does_not_run_is_an_error(pid_file):
    with pytest.raises(ClientError, match="does not run, or its pid_file is another"):
        Signal(pid_file)()


def test_process_that_has_ended_is_an_error(pid_file):
    with subprocess.Popen(["true"]) as broker:
        pid_file.write_text(str(broker.pid))

    with pytest.raises(ClientError, match="No such process"):
        Signal(pid_file)()


@pytest.mark.parametrize("content", ["", "x", "0", "1", "-1", "-{own}", "9" * 30])
def test_no_group_of_processes_and_no_nonsense_is_signalled(pid_file, content):
    pid_file.write_text(content.format(own=os.getpid()))

    with pytest.raises(ClientError, match="cannot be sent SIGHUP"):
        Signal(pid_file)()


def test_program_is_run_without_a_shell(tmp_path):
    Command(("touch", f"{tmp_path}/$HOME; true"))()

    assert (tmp_path / "$HOME; true").exists()


@pytest.mark.parametrize("command", [("/nowhere/x",), ("/bin/sh", "-c", "exit 3"), ("a\0b",)])
def test_program_that_fails_is_an_error(command):
    with pytest.raises(ClientError):
        Command(command)()
