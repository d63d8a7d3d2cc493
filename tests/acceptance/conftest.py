from pathlib import Path

import pytest

from tests.acceptance.server import RunningServer
from tests.builders import HIERARCHY, profiles_directory

SHIPPED_KEY = "rsa: {min: 2048, max: 8192}"


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


@pytest.fixture
def fast_server(make_server, tmp_path: Path) -> RunningServer:
    """Two workers, and P-256 keys for CAs and devices, so that starts and requests are quick."""
    fast_profiles(tmp_path / "profiles")
    return make_server(workers=2)


def fast_profiles(path: Path) -> None:
    shipped = (Path(__file__).parents[2] / "profiles" / "CFREE.yaml").read_text()
    assert SHIPPED_KEY in shipped
    cfree = shipped.replace(SHIPPED_KEY, "curves: [P-256]")
    hierarchy = HIERARCHY.replace("keysize: 2048", "keytype: P-256")
    profiles_directory(path, hierarchy=hierarchy, CFREE=cfree)
