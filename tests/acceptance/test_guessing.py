"""Guessing passwords at the real server: many workers, a restart, and headers that lie about where it comes from."""

import http.client
import json

import pytest

from tests.builders import csr, one_line

pytestmark = pytest.mark.slow
LIMIT = 20
REQUEST = one_line(csr())


def sign(server, username, password, *, source="127.0.0.1", **headers) -> http.client.HTTPResponse:
    """Ask from another address of this machine; the answer has been read."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=(source, 0))
    body = json.dumps({"passwd": password, "certificate": REQUEST})
    connection.request("POST", f"/sign/{username}/pkcs10", body, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_one_guess_at_each_of_many_names_gets_429_from_all_workers_and_after_a_restart(make_server):
    """A43, A51."""
    server = make_server(workers=3)
    server.environment["MIDCA_ADDRESS_FAILURES"] = str(LIMIT)
    with server:
        assert server.register("f60c28", "dojot").status == 200
        statuses = [
            sign(server, f"device{number}", "dojot", **{"X-Forwarded-For": f"198.51.100.{number}"}).status
            for number in range(LIMIT + 10)
        ]
        blocked = [sign(server, "f60c28", "dojot") for _ in range(10)]
    with server:
        blocked.append(sign(server, "f60c28", "dojot"))
        elsewhere = sign(server, "f60c28", "dojot", source="127.0.0.2")

    assert statuses == [400] * LIMIT + [429] * 10
    assert {answer.status for answer in blocked} == {429}
    assert all(0 < int(answer.headers["Retry-After"]) <= 3600 / LIMIT for answer in blocked)
    assert elsewhere.status == 200


def test_guesses_from_many_addresses_meet_the_limit_of_all(make_server):
    """A51."""
    server = make_server(workers=2)
    server.environment["MIDCA_TOTAL_FAILURES"] = str(LIMIT)
    with server:
        assert server.register("f60c28", "dojot").status == 200
        statuses = [
            sign(server, f"device{number}", "dojot", source=f"127.0.1.{number + 1}").status
            for number in range(LIMIT + 10)
        ]
        device = sign(server, "f60c28", "dojot").status

    assert statuses == [400] * LIMIT + [429] * 10
    assert device == 200
