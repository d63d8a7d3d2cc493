import itertools
import shutil
import zlib
from pathlib import Path

import pytest

from tests.acceptance.retriever import Retriever
from tests.acceptance.server import RunningServer
from tests.builders import HIERARCHY, profiles_directory
from tests.dojot import Dojot
from tests.gateway import Gateway
from tests.kafka import Kafka, require_kafka

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


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> RunningServer:
    """A running server with small keys, for tests that each have names of their own."""
    running = RunningServer(tmp_path_factory.mktemp("shared"), workers=2)
    with running:
        yield running
    running.check_signed_is_recorded()


@pytest.fixture
def gateway(shared_server) -> Gateway:
    """A stand-in for dojot's gateway in front of the shared server."""
    with Gateway(shared_server.port) as running:
        yield running


@pytest.fixture
def retriever(gateway, tmp_path) -> Retriever:
    return Retriever(gateway, tmp_path / "certs")


@pytest.fixture
def new_device(shared_server, request):
    """Registers devices, by default with dojot's password; their names are the test's own."""
    count = itertools.count()

    def register(**fields: str) -> str:
        name = f"{zlib.crc32(request.node.nodeid.encode()):08x}-{next(count)}"
        assert shared_server.register(name, **{"password": "dojot", **fields}).status == 200
        return name

    return register


@pytest.fixture
def device(new_device) -> str:
    return new_device()


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    """One broker of Kafka for all tests."""
    require_kafka()
    with Kafka(tmp_path_factory.mktemp("kafka") / "broker") as running:
        yield running


@pytest.fixture
def kafka(broker):
    """An empty broker: the topics that the test before has left are gone."""
    broker.empty()
    return broker


@pytest.fixture
def dojot():
    with Dojot() as running:
        yield running


@pytest.fixture
def base(data_template: Path, tmp_path: Path) -> Path:
    """The directory of an installation that has its CA already."""
    path = tmp_path / "installation"
    shutil.copytree(data_template, path)
    return path
