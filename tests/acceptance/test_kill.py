"""SIGKILL at random moments under load: what a client was given is on record, and nothing is signed unrecorded."""

import itertools
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.acceptance.server import NO_ANSWER, RunningServer
from tests.builders import csr, one_line

CLIENTS = 6
LIVES = 30
WORKER_KILLS_A_LIFE = 4
KILLS = LIVES * (WORKER_KILLS_A_LIFE + 1)
PENDING = "SELECT * FROM certificates WHERE state = 'pending'"


@dataclass
class Clients:
    """Register one end entity after the other, have two race for its certificate, and remember what they were told."""

    server: RunningServer
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    certificates: dict[str, str] = field(default_factory=dict)
    unanswered: list[tuple[str, str]] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    refused: list[object] = field(default_factory=list)
    left_pending: int = 0

    def run(self, over: threading.Event) -> None:
        while not over.is_set():
            username = f"device{next(self.numbers)}"
            requests = [one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1()))) for _ in range(2)]
            try:
                registered = self.server.register(username)
            except NO_ANSWER:
                over.wait(0.01)
                continue
            if registered.status != 200:
                self.refused.append(registered)
                continue
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(self.sign, [username, username], requests))

    def sign(self, username: str, request: str) -> None:
        try:
            answer = self.server.sign(username, request)
        except NO_ANSWER:
            self.unanswered.append((username, request))
            return
        if answer.status == 200:
            value = answer.certificate.replace("\n", "")
            assert self.certificates.setdefault(username, value) == value
        elif answer.status == 400 and "Got request with status GENERATED" in answer.body["message"]:
            self.lost.add(username)
        else:
            self.refused.append(answer)

    def ask_again(self) -> None:
        """Bring every request again whose answer never came."""
        unanswered, self.unanswered = self.unanswered, []
        for username, request in unanswered:
            self.sign(username, request)


def live_and_die(server: RunningServer, clients: Clients, chance: random.Random) -> int:
    """Start the server, kill workers one by one and then all at once, under load; return how many kills there were."""
    server.start()
    over = threading.Event()
    threads = [threading.Thread(target=clients.run, args=(over,)) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(WORKER_KILLS_A_LIFE):
            time.sleep(chance.uniform(0, 0.3))
            os.kill(chance.choice(some_worker(server)), signal.SIGKILL)
        time.sleep(chance.uniform(0, 0.3))
        server.kill()
    finally:
        over.set()
        for thread in threads:
            thread.join()
    clients.left_pending += len(server.sql(PENDING))
    return WORKER_KILLS_A_LIFE + 1


def some_worker(server: RunningServer) -> list[int]:
    deadline = time.monotonic() + 60
    while not (workers := server.workers()):
        assert time.monotonic() < deadline, server.log
        time.sleep(0.01)
    return workers


@pytest.mark.slow
def test_after_150_kills_under_load_records_and_clients_agree(fast_server):
    """F08."""
    chance = random.Random(20)
    clients = Clients(fast_server)

    kills = sum(live_and_die(fast_server, clients, chance) for _ in range(LIVES))

    assert kills == KILLS == 150
    assert clients.unanswered, "no kill hit a request in flight, so this test showed nothing"
    assert clients.left_pending > 0, "no kill came between the record and the certificate, so this test showed little"
    with fast_server:
        assert fast_server.sql(PENDING) == []
        clients.ask_again()
    assert clients.refused == []
    assert clients.unanswered == []
    assert len(clients.certificates) > KILLS
    assert fast_server.sql("PRAGMA integrity_check") == [("ok",)]
    assert fast_server.sql(PENDING) == []
    assert fast_server.sql("SELECT username FROM end_entities WHERE claimed_by IS NOT NULL") == []
    issued = fast_server.sql("SELECT username, certificate FROM certificates WHERE certificate_type = 1")
    assert len(issued) == len(dict(issued)), "an end entity has two certificates"
    assert clients.certificates.items() <= dict(issued).items()
    assert clients.lost <= dict(issued).keys()
    assert fast_server.verify_audit_log()["checkpoints"] > 1
