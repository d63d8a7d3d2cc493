from pathlib import Path

import pytest

from tests.acceptance.server import RunningServer


@pytest.fixture
def make_server(tmp_path: Path):
    """Makes servers that are not started yet; when the test is over, all that a CA key signed must be on record."""
    made = []

    def make(base: Path = tmp_path, **options) -> RunningServer:
        made.append(RunningServer(base, **options))
        return made[-1]

    yield make
    for server in made:
        if server.process is not None:
            server.kill()
        server.check_signed_is_recorded()


@pytest.fixture
def server(make_server) -> RunningServer:
    """A running server with four workers, small keys and the signer oracle."""
    with make_server() as running:
        yield running
