"""A changed profile takes effect on reload, for whole requests; a broken one changes nothing and is told of."""

import os
import signal
import threading
import time

import pytest
from cryptography import x509

from tests.acceptance.server import MIDCA, RunningServer
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import run

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path):
    with RunningServer(tmp_path, workers=2) as running:
        wait_for(lambda: len(running.workers()) == 2, "a worker is missing")
        yield running
    running.check_signed_is_recorded()


def reload(server, status: int = 0) -> str:
    done = run(MIDCA, "reload", env=server.environment, cwd=server.base)
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def change(server, old: str, new: str) -> None:
    path = server.base / "profiles" / "CFREE.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def enrolled(server, number: int) -> x509.Certificate:
    name = f"device{number}"
    assert server.register(name).status == 200
    answer = server.sign(name, one_line(csr(signing_key=key(number))))
    assert answer.status == 200, answer
    return x509.load_pem_x509_certificate(wrapped(answer.certificate).encode())


def days(certificate: x509.Certificate) -> int:
    return (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days


def wait_for(condition, what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def reloaded(server, before: list[int]) -> None:
    wait_for(
        lambda: len(server.workers()) == 2 and not set(server.workers()) & set(before), "the workers are the old ones"
    )


def test_changed_profile_takes_effect_on_reload_and_not_before(server):
    assert days(enrolled(server, 0)) == 730
    before = server.workers()
    change(server, "validity: 730", "validity: 31")
    assert days(enrolled(server, 1)) == 730

    told = reload(server)

    assert f"process {server.process.pid}" in told
    assert f"The profiles in {server.base / 'profiles'} are good" in told
    reloaded(server, before)
    assert days(enrolled(server, 2)) == 31
    hashes = server.sql("SELECT DISTINCT profile_sha256 FROM certificates WHERE certificate_type = 1")
    assert len(hashes) == 2


def test_broken_profile_is_not_handed_to_the_server(server):
    before = server.workers()
    change(server, "validity: 730", "validity: nonsense")

    assert "CFREE.yaml: validity:" in reload(server, status=3)
    assert server.workers() == before
    assert days(enrolled(server, 0)) == 730


def test_server_that_is_sent_a_broken_profile_keeps_the_old_ones_and_says_so(server):
    before = server.workers()
    change(server, "validity: 730", "validity: nonsense")

    os.kill(server.process.pid, signal.SIGHUP)

    reloaded(server, before)
    assert "the certificate profiles stay as they were" in server.log
    assert "CFREE.yaml: validity:" in server.log
    assert server.get("/ready").status == 200
    assert days(enrolled(server, 0)) == 730


def test_reload_under_load_gives_each_request_one_whole_profile(server):
    """F22."""
    change(server, "validity: 730", "validity: 31")
    change(server, "critical: false", "critical: true")
    found, failed, stop = [], [], threading.Event()

    def enrol() -> None:
        for number in range(100):
            if stop.is_set():
                return
            try:
                found.append(enrolled(server, number))
            except Exception as error:  # noqa: BLE001 -- told in the test's own thread
                failed.append(error)

    before = server.workers()
    thread = threading.Thread(target=enrol)
    thread.start()
    try:
        wait_for(lambda: len(found) > 3, "nothing was issued")
        reload(server)
        reloaded(server, before)
        enough = len(found) + 5
        wait_for(lambda: len(found) > enough or not thread.is_alive(), "nothing was issued any more")
    finally:
        stop.set()
        thread.join()

    assert failed == []
    seen = {
        (days(certificate), certificate.extensions.get_extension_for_class(x509.KeyUsage).critical)
        for certificate in found
    }
    assert seen == {(730, False), (31, True)}


def test_reload_without_a_server_says_so(tmp_path):
    server = RunningServer(tmp_path)
    with server:
        pass

    assert "No server runs" in reload(server, status=3)
