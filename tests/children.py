"""What a test lets happen to another process, because this one is still needed."""

import os
import signal
import sys
import traceback
from collections.abc import Callable


def in_child(act: Callable[[], object]) -> int:
    """Run ``act`` in a fork of this process; return its exit status, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            act()
            os._exit(0)
        except BaseException:  # noqa: BLE001 -- nothing of pytest may run on in the child
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die() -> None:
    """End this process as a power cut does."""
    os.kill(os.getpid(), signal.SIGKILL)
