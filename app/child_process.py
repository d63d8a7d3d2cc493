"""Processes beside the server's workers: children of gunicorn's master, as these are, that answer no requests.

What one of them meets is nothing to who asks for a certificate; when it dies the master starts another.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from typing import Final, NoReturn

from app.errors import Refusal

_log = logging.getLogger("midca")
_FIRST_WAIT: Final = 1.0
_LONGEST_WAIT: Final = 60.0
_LONG_LIFE: Final = 60.0  # who lived so long did not die of what its start met
_PATIENCE: Final = 10.0
_TICK: Final = 0.5
_SIGNALS: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGCHLD,
)


class ChildProcess:
    """At most one child; every method is the master's. Times are monotonic seconds."""

    def __init__(self, task: str, work: Callable[[threading.Event], object]) -> None:
        """Take what the child does, as words that go on from "the process that", and as what works until it is set."""
        self._task = task
        self._work = work
        self._pid: int | None = None
        self._started = self._start_at = 0.0
        self._wait = _FIRST_WAIT
        self._told_to_end = False

    def look_after(self, listening: Iterable[int]) -> None:
        """Start the child unless it lives, later each time it dies young; to be called every second or so.

        ``listening`` are descriptors that the child must not keep: they are the server's port.
        """
        now = time.monotonic()
        if self._pid is not None:
            if not self._has_ended(self._pid):
                return
            self._pid = None
            if not self._told_to_end:
                self._start_at = now + self._next_wait(now - self._started)
                _log.error("the process that %s has died; the next one starts in %.0f s", self._task, self._wait)
        if now >= self._start_at:
            self._start(now, listening)

    def restart(self) -> None:
        """Have another child take over, which begins with the profiles of that moment."""
        if self._pid is not None and not self._has_ended(self._pid):
            self._told_to_end = True
            os.kill(self._pid, signal.SIGTERM)

    def stop(self) -> None:
        """End the child, in order if it does so within a few seconds."""
        self.restart()
        deadline = time.monotonic() + _PATIENCE
        while self._pid is not None and not self._has_ended(self._pid):
            if time.monotonic() > deadline:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.02)

    def _next_wait(self, lived: float) -> float:
        self._wait = _FIRST_WAIT if lived > _LONG_LIFE else min(self._wait * 2, _LONGEST_WAIT)
        return self._wait

    def _start(self, now: float, listening: Iterable[int]) -> None:
        self._started, self._told_to_end = now, False
        # Until the child has its own handlers a signal would go to gunicorn's, which it has inherited, and be lost.
        mask, server = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS), os.getpid()
        try:
            self._pid = os.fork()
            if self._pid == 0:
                self._be_the_child(server, listening, mask)
            _log.info("process %s %s", self._pid, self._task)
        except OSError as error:
            self._start_at = now + self._next_wait(0)
            _log.error("no process that %s can be started: %s", self._task, error)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def _has_ended(self, pid: int) -> bool:
        try:
            return os.waitpid(pid, os.WNOHANG) != (0, 0)
        except ChildProcessError:  # gunicorn takes note of the end of every child, and was first
            return True

    def _be_the_child(self, server: int, listening: Iterable[int], mask: Iterable[int]) -> NoReturn:
        status, stop = 1, threading.Event()
        try:
            for number in _SIGNALS:
                ends = number in {signal.SIGTERM, signal.SIGINT}
                signal.signal(number, (lambda *_: stop.set()) if ends else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for descriptor in listening:
                os.close(descriptor)
            threading.Thread(target=_stop_with, args=(server, stop), daemon=True).start()
            self._work(stop)
            status = 0
        except Refusal as refusal:
            _log.error("the process that %s ends: %s", self._task, refusal)
        except Exception:  # noqa: BLE001 -- nothing of the child may go on in the master's code
            _log.exception("the process that %s ends", self._task)
        finally:
            os._exit(status)


def _stop_with(server: int, stop: threading.Event) -> None:
    """Have the child end when its parent has, however that came."""
    while os.getppid() == server and not stop.wait(_TICK):
        pass
    stop.set()
