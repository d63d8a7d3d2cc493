import logging
import queue
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


def test_comes_back_to_each_chore_until_it_is_told_to_stop():
    turns, stop = [], threading.Event()

    def chore(name: str):
        def do(_actor) -> int:
            turns.append(name)
            if len(turns) == 4:
                stop.set()
            return 1

        return do

    Upkeep({"one": chore("one"), "other": chore("other")}).run(ACTOR, stop)

    assert turns == ["one", "other", "one", "other"]


def test_what_comes_first_comes_once_and_its_failure_keeps_no_chore_from_its_turn(caplog):
    turns, stop = [], threading.Event()

    def first() -> None:
        turns.append("first")
        raise RuntimeError("a bug")

    def chore(_actor) -> int:
        turns.append("chore")
        if len(turns) == 3:
            stop.set()
        return 1

    Upkeep({"one": chore}, first).run(ACTOR, stop)

    assert turns == ["first", "chore", "chore"]
    assert "a bug" in caplog.text


def test_thread_does_the_chores_and_ends_with_its_process():
    done: queue.Queue[threading.Thread] = queue.Queue()

    Upkeep({"one": lambda _actor: done.put(threading.current_thread()) or 1}).start(ACTOR)

    assert done.get(timeout=10).daemon
    assert done.get(timeout=10) is not threading.current_thread()
