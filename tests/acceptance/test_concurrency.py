"""Many callers at the same moment, over several worker processes: a one-time password is good for one certificate."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.acceptance.server import Answer
from tests.builders import csr, key, one_line

pytestmark = pytest.mark.slow
CALLERS = 50


@pytest.fixture(scope="session")
def requests() -> list[str]:
    """Fifty requests, each with a key of its own."""
    return [one_line(csr(signing_key=key(number))) for number in range(CALLERS)]


def at_once(calls: Sequence[Callable[[], Any]]) -> list[Any]:
    """Make all calls at the same moment, each in a thread of its own; return what they returned."""
    barrier = threading.Barrier(len(calls))

    def call(function: Callable[[], Any]) -> Any:
        barrier.wait()
        return function()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def sign_at_once(server, username: str, requests: Sequence[str]) -> list[Answer]:
    return at_once([lambda request=request: server.sign(username, request) for request in requests])


def test_of_fifty_requests_with_one_password_exactly_one_gets_a_certificate(server, requests):
    """A48, F10."""
    assert server.register("f60c28").status == 200

    answers = sign_at_once(server, "f60c28", requests)

    assert sorted(answer.status for answer in answers) == [200] + [400] * (CALLERS - 1)
    (winner,) = (answer for answer in answers if answer.status == 200)
    assert server.issued_to("f60c28") == [winner.certificate.replace("\n", "")]
    assert server.sql("SELECT count(*) FROM certificates WHERE username = 'f60c28'") == [(1,)]


def test_who_loses_the_race_is_told_that_the_password_is_spent(server, requests):
    assert server.register("f60c28").status == 200

    answers = sign_at_once(server, "f60c28", requests)

    messages = {answer.body["message"] for answer in answers if answer.status == 400}
    assert messages == {
        "soap message: Got request with status GENERATED (40), NEW, FAILED or INPROCESS required: f60c28."
    }
    assert server.sql("SELECT * FROM password_failures") == []


def test_the_same_request_fifty_times_at_once_gets_the_same_certificate_fifty_times(server, requests):
    assert server.register("f60c28").status == 200

    answers = sign_at_once(server, "f60c28", requests[:1] * CALLERS)

    assert [answer.body for answer in answers if answer.status != 200] == []
    (value,) = {answer.certificate for answer in answers}
    assert server.issued_to("f60c28") == [value.replace("\n", "")]
    assert server.sql("SELECT count(*) FROM certificates WHERE username = 'f60c28'") == [(1,)]


def test_two_end_entities_that_bring_the_same_key_at_once_do_not_both_get_it(server, requests):
    names = ["first", "second"]
    for name in names:
        assert server.register(name).status == 200

    answers = at_once([lambda name=name: server.sign(name, requests[0]) for name in names])

    assert sorted(answer.status for answer in answers) == [200, 400]


def test_a_hundred_end_entities_enrolled_by_eight_threads_get_a_hundred_serials(make_server):
    """F11."""
    many = [one_line(csr(signing_key=key(number))) for number in range(100)]

    def enrol(number: int) -> tuple[int, int]:
        registered = server.register(f"device{number}")
        return registered.status, server.sign(f"device{number}", many[number]).status

    with make_server() as server:
        with ThreadPoolExecutor(8) as pool:
            statuses = set(pool.map(enrol, range(100)))
        serials = server.sql("SELECT count(DISTINCT serial) FROM certificates WHERE certificate_type = 1")

        assert statuses == {(200, 200)}
        assert serials == [(100,)]
        assert server.verify_audit_log()["entries"] >= 300  # while the four workers run


def test_entries_of_four_workers_are_one_sequence_without_a_gap(server):
    def act(number: int) -> None:
        assert server.register(f"device{number % 20}").status == 200
        assert server.sign(f"device{number % 20}", "no request").status == 400

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(act, range(200)))

    sequence = [row[0] for row in server.sql("SELECT seq FROM audit_log ORDER BY seq")]
    assert sequence == list(range(1, len(sequence) + 1))
    assert len(sequence) > 230  # refusals of nonsense are recorded 30 times a minute and worker
    assert server.verify_audit_log()["entries"] >= len(sequence)


def test_two_servers_started_at_once_on_an_empty_directory_make_each_ca_once(make_server):
    pair = [make_server(), make_server()]
    for server in pair:
        server.start(wait=False)
    for server in pair:
        server.wait_until_healthy()

    chains = {server.get("/ca/IOTmidCA").body["certificate"] for server in pair}
    registered = [server.register(f"by{server.port}").status for server in pair]
    made = pair[0].sql("SELECT username, state FROM certificates ORDER BY username")
    cas = ("IOTmidCA", "IOTmidCA/OCSP", "IOTrootCA", "IOTrootCA/OCSP")
    tokens = pair[0].sql("SELECT name FROM access_tokens")

    assert [server.stop() for server in pair] == [0, 0]
    assert len(chains) == 1
    assert registered == [200, 200]
    assert made == [(name, "issued") for name in cas]
    assert tokens == [("admin",)]
    assert sorted("New in" in server.log for server in pair) == [False, True]


def test_a_certificate_from_one_server_is_known_to_another_on_the_same_directory(make_server, requests):
    with make_server() as one, make_server() as other:
        assert one.register("f60c28").status == 200

        answers = [server.sign("f60c28", requests[0]) for server in (one, other)]

        assert answers[0] == answers[1]
        assert other.sign("f60c28", requests[1]).status == 400


def test_a_second_start_makes_nothing_new(make_server):
    server = make_server()
    server.start()
    server.stop()
    before = everything(server)

    server.start()
    server.stop()

    assert everything(server) == before
    assert "New in" not in server.log


def everything(server) -> tuple[dict[str, bytes], list[tuple], list[tuple]]:
    """What a first start made: files but the database's, certificates, tokens."""
    paths = [path for path in server.data.rglob("*") if path.is_file() and not path.name.startswith("midca.sqlite")]
    files = {str(path): path.read_bytes() for path in paths}
    return files, server.sql("SELECT * FROM certificates"), server.sql("SELECT * FROM access_tokens")
