import fcntl
import threading

import pytest

from app.store.sqlite_queue import Queue


@pytest.fixture
def place(tmp_path):
    made = []

    def place() -> Queue:
        made.append(Queue(tmp_path / "midca.sqlite"))
        return made[-1]

    yield place
    for queue in made:
        queue.close()


def test_a_waiting_writer_is_not_overtaken_by_readers_that_come_later(place, tmp_path):
    order = []
    writing, reading, at_it = place(), place(), place()

    def write():
        writing.enter(fcntl.LOCK_EX)
        order.append("writer")
        writing.leave()

    def read():
        with reading.reading():
            order.append("reader")

    writer, reader = threading.Thread(target=write), threading.Thread(target=read)
    with (tmp_path / "midca.sqlite.gate").open("a") as gate:
        with at_it.reading():
            writer.start()
            _wait_until_somebody_holds(gate)
            reader.start()
            reader.join(0.2)
            assert order == []
        writer.join()
        reader.join()
    assert order == ["writer", "reader"]


def test_readers_stand_together(place):
    with place().reading(), place().reading():
        pass


def _wait_until_somebody_holds(file) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        fcntl.flock(file, fcntl.LOCK_UN)
