import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import psycopg
import pytest

from app import bootstrap
from app.bootstrap import open_services
from app.operations.actor import Actor
from app.operations.registration import Registration
from app.settings import Settings
from app.store.copying import TABLES
from app.store.sqlite_library import sqlite3
from app.web import create_app
from tests.builders import Clock, profiles_directory
from tests.oracle_net import NET, Net, cast
from tests.postgresql import Postgresql
from tests.postgresql_copies import Copies
from tests.read_once import remember
from tests.signer_oracle import SignerOracle

ACTOR = Actor("tester", "test")
NET_HOOK = Path(__file__).parent / "net"
cast(bootstrap)


@pytest.fixture(scope="session", autouse=True)
def net(tmp_path_factory: pytest.TempPathFactory) -> Net:
    """Catches what is signed by a CA that no oracle was put around, in this process and in those it starts."""
    net = Net(tmp_path_factory.mktemp("net"))
    os.environ[NET] = str(net.directory)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(NET_HOOK), os.environ.get("PYTHONPATH")]))
    return net


@pytest.fixture(autouse=True)
def all_that_was_signed_is_recorded(net: Net):
    yield
    net.check()


# How long an example takes says more of the machine's other work than of the code.
hypothesis.settings.register_profile(
    "shared machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("shared machine")


def require_tool(name: str) -> str:
    """Return the path of a program; on a user's machine its absence skips the test, in CI it fails."""
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        message = f"{name} is not installed"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return path


@pytest.fixture(scope="session", autouse=True)
def _read_once():
    with pytest.MonkeyPatch.context() as patch:
        remember(patch)
        yield


@pytest.fixture(scope="session")
def data_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of a CA that has just been made, to copy from: keys take a while."""
    return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgresql():
    server = Postgresql()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def postgresql_template(tmp_path_factory: pytest.TempPathFactory, postgresql) -> Path:
    """The same as ``data_template``, with the rows in the database ``template``."""
    return make_template(tmp_path_factory.mktemp("postgresql"), MIDCA_DATABASE=postgresql.create("template"))


@pytest.fixture(scope="session")
def postgresql_copies(postgresql, postgresql_template: Path) -> Copies:
    return Copies(postgresql, "template")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that has an installation on the databases it is for: see :func:`databases_of`."""
    named = any("database_kind" in marker.args for marker in metafunc.definition.iter_markers("parametrize"))
    kinds = databases_of(metafunc.definition) if "make_installation" in metafunc.fixturenames else ["sqlite"]
    if kinds != ["sqlite"] and not named:
        metafunc.parametrize("database_kind", kinds, indirect=True)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what has nothing to do with PostgreSQL where only that is asked for.

    And on PostgreSQL what is about SQLite alone with one of its parameters: ``pytest.param(..., marks=sqlite_only)``.
    """
    alone = os.environ.get("TEST_DATABASE") == "postgresql"
    kept, left_out = [], []
    for item in items:
        kind = item.callspec.params.get("database_kind") if hasattr(item, "callspec") else None
        wanted = item.get_closest_marker("sqlite_only") is None if kind == "postgresql" else not alone
        (kept if wanted else left_out).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def databases_of(definition: pytest.Item) -> list[str]:
    """Return SQLite and what TEST_DATABASE says: ``both``, or ``postgresql`` alone.

    Some tests are about SQLite's own files and locks (``sqlite_only``), some say nothing of a second database
    (``one_database``), some run on both wherever there is PostgreSQL. With ``both`` those of the acts and of the store
    do, whose statements they try; the front ends have none, and run on PostgreSQL when it is asked for alone.
    """
    asked = os.environ.get("TEST_DATABASE", "sqlite")
    if any(definition.get_closest_marker(name) for name in ("sqlite_only", "one_database")):
        return ["sqlite"]
    if asked == "postgresql":
        return ["postgresql"]
    of_the_acts = asked == "both" and definition.path.parent.name in {"operations", "store"}
    if of_the_acts or definition.get_closest_marker("both_databases") is not None:
        return ["sqlite", "postgresql"]
    return ["sqlite"]


@pytest.fixture
def database_kind(request: pytest.FixtureRequest) -> str:
    return getattr(request, "param", "sqlite")


def make_template(base: Path, **environment: str) -> Path:
    """Make profiles and the data directory of a new CA below ``base``."""
    base.mkdir(exist_ok=True)
    profiles_directory(base / "profiles")
    settings = settings_for(base, **environment)
    oracle = SignerOracle(base / "oracle")
    open_services(settings, create=True, signing_key=oracle.wrap).services.database.close()
    return base


def settings_for(base: Path, **environment: str) -> Settings:
    return Settings.from_environment(
        {"MIDCA_DATA": str(base / "data"), "MIDCA_PROFILES": str(base / "profiles"), **environment}
    )


class Installation:
    """A CA of its own for one test: services, clock, and the oracle that saw every signature."""

    def __init__(self, base: Path, *, clock: Clock | None = None, **environment: str) -> None:
        self.base = base
        self.environment = environment
        self.clock = clock or Clock()
        self.oracle = SignerOracle(base / "oracle")
        self.settings = settings_for(base, **environment)
        self.opened = self.open()
        self.services = self.opened.services

    def open(self):
        return open_services(self.settings, create=True, now=self.clock, signing_key=self.oracle.wrap)

    def add(self, username: str = "f60c28", password: str = "dojot", **fields):
        registration = Registration(username=username, password=password, **fields)
        return self.services.end_entities.put(registration, ACTOR)

    def sign(self, username: str, password: str, request: str):
        return self.services.issuance.issue(username, password, request, ACTOR)

    def sql(self, statement: str, *parameters):
        if self.settings.database_address:
            with psycopg.connect(self.settings.database_address) as connection:
                if parameters:
                    statement = statement.replace("%", "%%").replace("?", "%s")
                cursor = connection.execute(statement, parameters or None)
                return cursor.fetchall() if cursor.description else []
        connection = sqlite3.connect(self.settings.database)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def again(self, **environment: str) -> "Installation":
        """Another one over the same directory and the same rows, with other settings: to be closed by the test."""
        if address := self.settings.database_address:
            environment["MIDCA_DATABASE"] = address
        return Installation(self.base, **environment)

    def break_inserts(self, table: str) -> None:
        """Have the database refuse what is inserted into a table, until :meth:`mend_inserts`."""
        trigger = f"CREATE TRIGGER broken BEFORE INSERT ON {table} FOR EACH ROW"
        if self.settings.database_address:
            self.sql("CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''broken''; END'")
            self.sql(f"{trigger} EXECUTE FUNCTION broken()")
        else:
            self.sql(f"{trigger} BEGIN SELECT RAISE(FAIL, 'broken'); END")

    def mend_inserts(self) -> None:
        self.sql("DROP FUNCTION broken CASCADE" if self.settings.database_address else "DROP TRIGGER broken")

    @contextmanager
    def without_database(self) -> Iterator[None]:
        """Have the database gone for the block: its file has another name, or it takes no connections."""
        self.services.database.close()
        if self.settings.database_address:
            server, _, name = self.settings.database_address.rpartition("/")
            with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
                yield
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        else:
            kept = self.settings.database.rename(self.settings.database.with_suffix(".kept"))
            yield
            kept.rename(self.settings.database)

    def database_bytes(self) -> bytes:
        """All that the database keeps: SQLite's file with its write-ahead log, or PostgreSQL's rows."""
        if self.settings.database_address:
            rows = [row for table in TABLES for row in self.sql(f"SELECT * FROM {table}")]  # noqa: S608 -- ours
            return b"\n".join(each if isinstance(each, bytes) else str(each).encode() for row in rows for each in row)
        log = self.settings.database.with_name("midca.sqlite-wal")
        return self.settings.database.read_bytes() + (log.read_bytes() if log.exists() else b"")

    def certificates(self) -> int:
        return self.sql("SELECT count(*) FROM certificates WHERE certificate_type = 1")[0][0]

    def last_audit(self) -> dict:
        return self.services.readiness.audit.entries()[-1]

    def check(self) -> None:
        """Nothing was signed and not recorded, and nothing stayed pending."""
        rows = self.sql("SELECT tbs_sha256 FROM certificates UNION ALL SELECT tbs_sha256 FROM revocation_lists")
        assert set(self.oracle.signed()) <= {tbs for (tbs,) in rows}


@pytest.fixture
def make_installation(request: pytest.FixtureRequest, database_kind: str, tmp_path: Path):
    made, taken = [], []
    template = request.getfixturevalue("data_template" if database_kind == "sqlite" else "postgresql_template")

    def make(**environment: str) -> Installation:
        base = tmp_path / f"installation{len(made)}"
        shutil.copytree(template, base)
        if database_kind == "postgresql":
            taken.append(request.getfixturevalue("postgresql_copies").take())
            environment["MIDCA_DATABASE"] = taken[-1]
        made.append(Installation(base, **environment))
        return made[-1]

    yield make
    for installation in made:
        installation.check()
        installation.services.database.close()
    for address in taken:
        request.getfixturevalue("postgresql_copies").give_back(address)


@pytest.fixture
def installation(make_installation) -> Installation:
    return make_installation()


@pytest.fixture
def app(installation):
    return create_app(installation.services)


@pytest.fixture
def client(app):
    return app.test_client()


@pytest.fixture
def admin(installation) -> dict[str, str]:
    return {"Authorization": f"Bearer {installation.settings.admin_token.read_text().strip()}"}


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
