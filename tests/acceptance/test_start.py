"""F26. Who waits for the server, waits until it can work."""

import http.client
import socket

import pytest

from tests.builders import csr, one_line

pytestmark = pytest.mark.slow


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_server_listens_and_says_so_to_systemd_only_when_it_can_sign(make_server, tmp_path):
    server = make_server(workers=1)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(60)
        server.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
        server.start(wait=False)
        while not (server.data / "ca" / "keys").exists():  # keys are made: the longest part of a first start
            assert not is_listening(server.port)

        told = manager.recv(4096).decode()

    assert "READY=1" in told.splitlines()
    assert is_listening(server.port)
    assert server.get("/ready").status == 200
    assert server.register("f60c28").status == 200
    assert server.sign("f60c28", one_line(csr())).status == 200
    assert server.stop() == 0
    with pytest.raises((OSError, http.client.HTTPException)):
        server.get("/health")
