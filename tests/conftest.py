import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import hypothesis
import pytest

from app.bootstrap import open_services
from app.operations.actor import Actor
from app.operations.end_entities import Registration
from app.settings import Settings
from app.web import create_app
from tests.builders import Clock, profiles_directory
from tests.signer_oracle import SignerOracle, recorded

ACTOR = Actor("tester", "test")

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


@pytest.fixture(scope="session")
def data_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of a CA that has just been made, to copy from: keys take a while."""
    return make_template(tmp_path_factory.mktemp("template"))


def make_template(base: Path) -> Path:
    """Make profiles and the data directory of a new CA below ``base``."""
    base.mkdir(exist_ok=True)
    profiles_directory(base / "profiles")
    settings = settings_for(base)
    oracle = SignerOracle(base / "oracle")
    open_services(settings, create=True, signing_key=oracle.wrap).services.database.close()
    return base


def settings_for(base: Path, **environment: str) -> Settings:
    return Settings.from_environment(
        {"MIDCA_DATA": str(base / "data"), "MIDCA_PROFILES": str(base / "profiles"), **environment}
    )


class Installation:
    """A CA of its own for one test: services, clock, and the oracle that saw every signature."""

    def __init__(self, base: Path, **environment: str) -> None:
        self.base = base
        self.clock = Clock()
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
        connection = sqlite3.connect(self.settings.database)
        try:
            with connection:
                return connection.execute(statement, parameters).fetchall()
        finally:
            connection.close()

    def certificates(self) -> int:
        return self.sql("SELECT count(*) FROM certificates WHERE certificate_type = 1")[0][0]

    def last_audit(self) -> dict:
        return self.services.readiness.audit.entries()[-1]

    def check(self) -> None:
        """Nothing was signed and not recorded, and nothing stayed pending."""
        assert set(self.oracle.signed()) <= recorded(self.settings.database)


@pytest.fixture
def make_installation(data_template: Path, tmp_path: Path):
    made = []

    def make(**environment: str) -> Installation:
        base = tmp_path / f"installation{len(made)}"
        shutil.copytree(data_template, base)
        made.append(Installation(base, **environment))
        return made[-1]

    yield make
    for installation in made:
        installation.check()
        installation.services.database.close()


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
