"""Two servers, each with a copy of the keys, on one PostgreSQL."""

import itertools
import shutil
import threading
import time
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.settings import shipped
from tests.acceptance.server import NO_ANSWER, RunningServer
from tests.acceptance.test_concurrency import at_once
from tests.builders import HIERARCHY, csr, one_line, profiles_directory

pytestmark = pytest.mark.slow
CALLERS = 50
SHARED = ("ca/certificates", "ca/keys", "secrets")


@pytest.fixture
def servers(make_server, postgresql, tmp_path):
    """Two running servers; the second got its keys and secrets from the first, as docs/postgresql.md says."""
    address = postgresql.create(f"t{uuid.uuid4().hex}")
    cfree = (shipped("profiles") / "CFREE.yaml").read_text().replace("rsa: {min: 2048, max: 8192}", "curves: [P-256]")
    (tmp_path / "first").mkdir()
    profiles_directory(
        tmp_path / "first" / "profiles", hierarchy=HIERARCHY.replace("keysize: 2048", "keytype: P-256"), CFREE=cfree
    )
    first = make_server(tmp_path / "first", workers=2, database=address)
    first.start()
    for folder in SHARED:
        shutil.copytree(first.data / folder, tmp_path / "second" / "data" / folder)
    shutil.copytree(tmp_path / "first" / "profiles", tmp_path / "second" / "profiles")
    for folder in ("", "ca"):
        (tmp_path / "second" / "data" / folder).chmod(0o700)
    second = make_server(tmp_path / "second", workers=2, database=address)
    second.environment["MIDCA_ADDRESS_FAILURES"] = "0"  # many names that were never registered are asked for
    second.start()
    yield first, second
    first.stop()
    second.stop()


def test_of_fifty_requests_to_both_with_one_password_exactly_one_gets_a_certificate(servers):
    first, second = servers
    assert first.register("f60c28").status == 200
    requests = [one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1()))) for _ in range(CALLERS)]

    answers = at_once(
        [
            lambda server=server, request=request: server.sign("f60c28", request)
            for server, request in zip(itertools.cycle(servers), requests, strict=False)
        ]
    )

    assert sorted(answer.status for answer in answers) == [200] + [400] * (CALLERS - 1)
    assert second.sql("SELECT count(*) FROM certificates WHERE username = 'f60c28'") == [(1,)]
    first.verify_audit_log()


class Load:
    """Threads that register and sign at both servers until they are told to stop, and revoke some."""

    def __init__(self, servers: tuple[RunningServer, ...], token: str) -> None:
        self.over = threading.Event()
        self.given: dict[str, str] = {}
        self.unanswered: dict[str, tuple[str, str]] = {}
        self.unexpected: list[object] = []
        self._names = (f"device{number}" for number in itertools.count())
        self._lock = threading.Lock()
        self._token = token
        self._threads = [threading.Thread(target=self._run, args=(server,)) for server in servers for _ in range(3)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, server: RunningServer) -> None:
        while not self.over.is_set():
            with self._lock:
                name = next(self._names)
            request = one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1())))
            try:
                registered = server.post("/user", {"username": name, "password": "one-time-secret"}, self._token)
                if registered.status != 200:
                    self._note(registered)
                    continue
                answer = server.sign(name, request, "one-time-secret")
            except NO_ANSWER:
                self.unanswered[name] = (request, "one-time-secret")
                self.over.wait(0.05)
                continue
            if answer.status == 200:
                self.given[name] = answer.certificate.replace("\n", "")
            else:
                self._note(answer)
                self.unanswered[name] = (request, "one-time-secret")

    def _note(self, answer) -> None:
        if answer.status != 503:  # the database was away, and the answer said so
            self.unexpected.append(answer)


def test_a_killed_server_a_restarted_database_and_cut_sessions_lose_nothing(servers, postgresql, tmp_path):
    first, second = servers
    with Load(servers, first.admin_token) as load:
        time.sleep(1.5)
        first.kill()  # as SIGKILL to every process of it
        time.sleep(1)
        served_alone = len(load.given)
        time.sleep(1)
        assert len(load.given) > served_alone, "the other server went on"
        postgresql.stop("immediate")  # as kill -9 of the database
        time.sleep(0.5)
        postgresql.start()
        time.sleep(2)
        cut_sessions(second)
        time.sleep(1)

    assert load.unexpected == []
    first.start()
    stored = dict(second.sql("SELECT username, certificate FROM certificates WHERE state = 'issued'"))
    assert {name: stored.get(name) for name in load.given} == load.given
    for name, (request, password) in load.unanswered.items():
        answer = second.sign(name, request, password)
        assert answer.status in {200, 400}, answer  # 400: it was never registered
    deadline = time.monotonic() + 30
    while second.sql("SELECT 1 FROM certificates WHERE state = 'pending'") and time.monotonic() < deadline:
        time.sleep(0.2)
    assert second.sql("SELECT serial FROM certificates WHERE state = 'pending'") == []
    numbers = second.sql("SELECT ca_name, scope, kind, number FROM revocation_lists WHERE state = 'issued'")
    assert len(numbers) == len(set(numbers))
    second.verify_audit_log()


def cut_sessions(server: RunningServer) -> None:
    server.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'midca'")


def test_a_server_without_the_keys_does_not_start(servers, make_server, tmp_path):
    (tmp_path / "stranger").mkdir()
    stranger = make_server(tmp_path / "stranger", oracle=False, workers=1, database=servers[0].address)

    with pytest.raises(AssertionError, match=r"exit status 3[\s\S]*copy ca/ and secrets/"):
        stranger.start()


def test_a_revocation_at_one_server_is_on_the_list_of_the_other(servers):
    first, second = servers
    assert first.register("f60c28").status == 200
    assert first.sign("f60c28", one_line(csr(signing_key=ec.generate_private_key(ec.SECP256R1())))).status == 200
    ((serial,),) = first.sql("SELECT serial FROM certificates WHERE username = 'f60c28'")
    assert first.delete(f"/ca/IOTmidCA/certificate/{serial}").status == 200

    assert second.get(f"/ca/IOTmidCA/certificate/{serial}/status").body["status"]["reason"] == "UNSPECIFIED"
    deadline = time.monotonic() + 30
    sql = "SELECT min(revision) FROM revocation_lists WHERE ca_name = 'IOTmidCA' AND crl IS NOT NULL"
    while second.sql(sql) != [(1,)] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert second.sql(sql) == [(1,)]
