"""What the CA does when nobody asks: a process or a thread of its own looks for what is due."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.errors import Refusal

if TYPE_CHECKING:
    from app.operations.actor import Actor

_log = logging.getLogger("midca")
_TICK: Final = 1.0  # seconds between two looks; what was revoked in between goes into one list


@dataclass(frozen=True)
class Upkeep:
    """The chores, by what they make; each finds out itself whether something is due, and whether it is its turn.

    ``first`` is done once, before them: what a start must not wait for.
    """

    chores: Mapping[str, Callable[[Actor], int]]
    first: Callable[[], None] = lambda: None

    def do_due(self, actor: Actor) -> None:
        """Do what is due; a chore that fails is logged, keeps no other from its turn, and is tried again next time."""
        for made, chore in self.chores.items():
            try:
                chore(actor)
            except Refusal as refusal:
                _log.error("no %s could be issued: %s", made, refusal)
            except Exception:  # noqa: BLE001 -- the others must be done; the traceback is logged
                _log.exception("no %s could be issued", made)

    def run(self, actor: Actor, stop: threading.Event) -> None:
        """Do what comes first, then what is due, until it is told to stop."""
        try:
            self.first()
        except Exception:  # noqa: BLE001 -- the chores must be done; the traceback is logged
            _log.exception("the upkeep begins without its first task")
        while not stop.is_set():
            self.do_due(actor)
            stop.wait(_TICK)

    def start(self, actor: Actor) -> None:
        """Do what is due in a thread, as long as the process lives: for WSGI servers that start no process for it."""
        threading.Thread(target=self.run, args=(actor, threading.Event()), name="upkeep", daemon=True).start()
