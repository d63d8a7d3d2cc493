import logging
import threading

from app.errors import StoreUnavailable
from app.operations.upkeep import Upkeep
from tests.conftest import ACTOR


def test_chore_that_fails_is_logged_and_keeps_no_other_from_its_turn(caplog):
    done = []

    def refused(_actor):
        raise StoreUnavailable("The disk is full.")

    def broken(_actor):
        raise RuntimeError("a bug")

    upkeep = Upkeep({"CRL": refused, "certificate": broken, "other": lambda actor: done.append(actor) or 1})
    with caplog.at_level(logging.ERROR, "midca"):
        upkeep.do_due(ACTOR)

    assert done == [ACTOR]
    assert "no CRL could be issued: The disk is full." in caplog.text
    assert "a bug" in caplog.text


def test_thread_comes_back_to_each_chore():
    turns: list[str] = []
    enough = threading.Event()

    def chore(name: str):
        def do(_actor) -> int:
            turns.append(name)
            if len(turns) >= 4:
                enough.set()
            return 1

        return do

    thread = Upkeep({"one": chore("one"), "other": chore("other")}).start(ACTOR)

    assert enough.wait(10)
    assert turns[:4] == ["one", "other", "one", "other"]
    assert thread.daemon  # it ends with the process
