"""When a process beside the workers is started again; that it is, is in test_events_beside_server.py."""

import os
import signal

from app.child_process import ChildProcess


def test_who_dies_young_again_and_again_is_waited_for_longer_and_who_lived_long_is_not():
    process = ChildProcess("does nothing", print)

    assert [process._next_wait(lived=0.5) for _ in range(7)] == [2, 4, 8, 16, 32, 60, 60]
    assert process._next_wait(lived=3600) == 1
    assert process._next_wait(lived=0.5) == 2


def test_there_is_nothing_to_stop_before_there_is_a_process():
    ChildProcess("does nothing", print).stop()


def test_process_that_cannot_be_made_is_tried_again_later_and_takes_nothing_with_it(monkeypatch, caplog):
    def no_memory():
        raise OSError(12, "Cannot allocate memory")

    process, mask = ChildProcess("does nothing", print), signal.pthread_sigmask(signal.SIG_BLOCK, [])
    monkeypatch.setattr(os, "fork", no_memory)

    process.look_after([])
    process.look_after([])

    assert caplog.text.count("no process that does nothing can be started: [Errno 12]") == 1
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == mask
    process.stop()
