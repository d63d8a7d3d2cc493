"""Keeps the memory of a process, and so the keys in it, from being written to disk or read by its neighbours."""

from __future__ import annotations

import ctypes
import logging
import resource
from typing import Final

_log = logging.getLogger("midca")
_PR_SET_DUMPABLE: Final = 4  # linux/prctl.h


def forbid_core_dumps() -> None:
    """Let no crash write a core, and no process of the same user attach to this one or its children.

    The limit alone does not do: the kernel ignores it where cores go to a program (core(5)), and it lets a debugger in.
    The standard library has no ``prctl``, so the C library is asked.
    """
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        refused = ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except (OSError, ValueError, AttributeError):  # not Linux, or not allowed
        refused = True
    if refused:
        _log.warning("this process cannot be kept from being dumped; see to it that no core is written")
