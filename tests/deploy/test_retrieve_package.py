"""midca-retrieve, the distribution of `midca retrieve` that goes where no server is."""

import os
import shutil
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.acceptance.server import PASSWORD, RunningServer
from tests.conftest import run

pytestmark = pytest.mark.slow
CHECKOUT = Path(__file__).parents[2]
FOLDER = CHECKOUT / "packages" / "retrieve"
LIBRARIES = ("cffi", "click", "cryptography", "pycparser")
"""Those it asks for, and what these ask for."""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel that is built from the sdist, which so holds all that building takes."""
    folder = tmp_path_factory.mktemp("dist")
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    outcome = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, FOLDER, env=environment)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with nothing in it but the wheel and the locked versions of its libraries."""
    environment = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", "--without-pip", environment).returncode == 0
    (packages,) = environment.glob("lib/python*/site-packages")
    for library in LIBRARIES:
        copy(library, packages)
    python = environment / "bin" / "python"
    # pip finds what the wheel asks for in the environment, or fails: it may not look anywhere else
    outcome = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-index", wheel)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return environment / "bin"


def copy(library: str, packages: Path) -> None:
    for file in distribution(library).files or []:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)


def test_it_has_midcas_version_and_license():
    own, midca = (tomllib.loads((folder / "pyproject.toml").read_text())["project"] for folder in (FOLDER, CHECKOUT))

    assert (own["version"], own["requires-python"]) == (midca["version"], midca["requires-python"])
    assert (FOLDER / "LICENSE").read_text() == (CHECKOUT / "LICENSE").read_text()
    assert set(own["dependencies"]) < set(midca["dependencies"])


def test_it_has_the_agent_of_a_broker_too(installed, tmp_path):
    outcome = run(installed / "midca-broker-agent", tmp_path)

    assert outcome.returncode == 1
    assert "Make it with: midca broker setup" in outcome.stderr


def test_it_retrieves_a_certificate_where_there_is_no_midca(installed, tmp_path):
    listed = run(sys.executable, "-m", "pip", "--python", installed / "python", "list", "--format=freeze")
    with RunningServer(tmp_path, oracle=False, workers=2) as server:
        assert server.register("f60c28").status == 200
        command = [installed / "midca-retrieve", f"http://127.0.0.1:{server.port}", "f60c28", "IOTmidCA", "--no-login"]
        environment = {"PATH": os.environ["PATH"], "DOJOT_DEVICE_PASSWORD": PASSWORD}
        outcome = run(*command, cwd=tmp_path, env=environment)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert {line.split("==")[0] for line in listed.stdout.split()} == {*LIBRARIES, "midca-retrieve"}
    assert (tmp_path / "certs/f60c28.crt").read_text().startswith("-----BEGIN CERTIFICATE-----")
