"""F18, F19. The machine's clock jumps while the server runs, by faketime."""

import base64
import json
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from tests.acceptance.server import MIDCA, RunningServer
from tests.builders import csr, key, one_line, wrapped
from tests.conftest import require_tool, run

pytestmark = pytest.mark.slow
CA_DAYS = 3652


@pytest.fixture
def server(make_server, tmp_path) -> RunningServer:
    """A server whose CA was made 100 days ago, and whose clock is set by :func:`set_clock`."""
    library = run(require_tool("faketime"), "-f", "+0", "printenv", "LD_PRELOAD").stdout.strip()
    server = make_server(workers=2)
    server.environment |= {
        "LD_PRELOAD": library,
        "FAKETIME_TIMESTAMP_FILE": str(tmp_path / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    set_clock(server, -100)
    with server:
        yield server


def set_clock(server: RunningServer, days: int) -> None:
    """Set the server's clock so many days ahead of ours."""
    new = server.base / "clock.new"
    new.write_text(f"{days:+}d\n")
    new.replace(server.base / "clock")


def now(days: int) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


def enrol(server: RunningServer, number: int):
    name = f"device{number}"
    assert server.register(name).status == 200
    return server.sign(name, one_line(csr(signing_key=key(number))))


def issued(server: RunningServer, number: int) -> x509.Certificate:
    answer = enrol(server, number)
    assert answer.status == 200, answer
    return x509.load_pem_x509_certificate(wrapped(answer.certificate).encode())


def list_of(server: RunningServer, days: int) -> x509.CertificateRevocationList:
    """Return the list once it is one of the server's own time."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = server.get("/ca/IOTmidCA/crl")
        if answer.status == 200:
            crl = x509.load_der_x509_crl(base64.b64decode(answer.body["CRL"]))
            if crl.last_update_utc <= now(days) < crl.next_update_utc:
                return crl
        time.sleep(0.1)
    raise AssertionError(f"no list of that time: {answer}\n{server.log}")


def number_of(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def behind_is_told(server: RunningServer, number: int) -> bool:
    """Set the clock a day back, and ask. The upkeep may record a list of that day before we ask; then none is told."""
    set_clock(server, 0)
    assert server.register(f"before{number}").status == 200
    set_clock(server, -1)
    return "clock is behind" in server.get("/ready").body["checks"]["clock"]


def test_server_whose_clock_jumps_tells_so_and_is_right_again_when_the_clock_is(server):
    numbers = [number_of(list_of(server, -100))]
    set_clock(server, 0)
    issued(server, 0)
    numbers.append(number_of(list_of(server, 0)))

    assert any(behind_is_told(server, number) for number in range(10))
    assert now(-1) - timedelta(hours=1) <= issued(server, 1).not_valid_before_utc <= now(-1)
    numbers.append(number_of(list_of(server, -1)))

    set_clock(server, CA_DAYS - 110)
    authority = x509.load_pem_x509_certificate((server.data / "ca/certificates/IOTmidCA.pem").read_bytes())
    assert issued(server, 2).not_valid_after_utc == authority.not_valid_after_utc
    numbers.append(number_of(list_of(server, CA_DAYS - 110)))

    set_clock(server, CA_DAYS)
    refused = enrol(server, 3)
    assert refused.status == 503
    assert "expired" in refused.body["message"]
    assert server.get("/ready").status == 503

    set_clock(server, 0)
    numbers.append(number_of(list_of(server, 0)))
    assert numbers == sorted(set(numbers))
    assert server.sign("device3", one_line(csr(signing_key=key(3)))).status == 200
    done = run(MIDCA, "audit", "verify", "--json", env=server.environment | {"LD_PRELOAD": ""}, cwd=server.base)
    assert {finding["kind"] for finding in json.loads(done.stdout)["findings"]} == {"clock"}
