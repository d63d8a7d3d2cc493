"""What a test lets happen to another process, because this one is still needed."""

import os
import signal
import sys
import traceback
from collections.abc import Callable


def start_child(act: Callable[[], object]) -> int:
    """Run ``act`` in a fork of this process; return its process id."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 -- nothing of pytest may run on in the child
            traceback.print_exc()
            os._exit(1)
    return child


def end_of(child: int) -> int:
    """Wait for a child to end; return its exit status, or minus the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def in_child(act: Callable[[], object]) -> int:
    """Run ``act`` in a fork of this process, and wait for its end."""
    return end_of(start_child(act))


def die() -> None:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)
