import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from app.settings import Settings, device_events
from tests.conftest import require_tool, run

CHECKOUT = Path(__file__).parents[2]
TOOLS = Path(sys.executable).parent
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
LOCK_FILES = sorted((CHECKOUT / "requirements").glob("*.txt"))
HIGHEST_EXPOSURE = 15  # of 100; a unit without any hardening has 96


# ---------------------------------------------------------------------------------------------------------- container


def test_the_dockerfile_has_nothing_hadolint_objects_to():
    outcome = run(TOOLS / "hadolint", "--no-color", CHECKOUT / "Dockerfile")

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr


def test_the_image_runs_as_a_numeric_user_that_is_not_root():
    users = re.findall(r"^USER (.+)$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1])


def test_the_image_is_built_only_from_what_the_ignore_file_lets_through():
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (CHECKOUT / "Dockerfile").read_text(), re.MULTILINE)
    sources = {source.rstrip("/") for line in copied for source in line.split()}
    ignored, *exceptions = [
        line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")
    ]

    assert ignored == "*"
    assert sources == {line[1:] for line in exceptions if line.startswith("!")}


@pytest.fixture(scope="module")
def compose() -> dict:
    return yaml.safe_load((CHECKOUT / "compose.yaml").read_text())


def test_compose_publishes_on_the_loopback_address_only(compose):
    published = [port for service in compose["services"].values() for port in service["ports"]]

    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_compose_takes_away_what_the_server_does_not_need(compose):
    service = compose["services"]["midca"]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]


def test_compose_keeps_the_data_in_a_declared_volume(compose):
    volume, mount_point = compose["services"]["midca"]["volumes"][0].split(":")

    assert volume in compose["volumes"]
    assert f"VOLUME {mount_point}\n" in (CHECKOUT / "Dockerfile").read_text()


def test_compose_of_two_servers_takes_away_as_much_and_has_one_database():
    document = yaml.safe_load((CHECKOUT / "deploy/postgresql/compose.yaml").read_text())
    alone = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())["services"]["midca"]
    services = document["services"]

    for name in ("midca-1", "midca-2"):
        assert services[name]["image"] == alone["image"]
        for key in ("read_only", "cap_drop", "security_opt", "volumes", "tmpfs", "stop_grace_period"):
            assert services[name][key] == alone[key]
        assert f"server {name}:5583" in document["configs"]["nginx"]["content"]
        assert services[name]["environment"]["MIDCA_DATABASE"].startswith("postgresql://midca@database/")
    assert all(port.startswith("127.0.0.1:") for service in services.values() for port in service.get("ports", []))


def test_compose_tags_the_image_with_the_version_of_the_project(compose):
    assert compose["services"]["midca"]["image"] == f"midca:{PROJECT['version']}"


def test_dojot_gets_one_service_in_the_place_of_ejbca_that_reads_its_events_too():
    document = yaml.safe_load((CHECKOUT / "deploy/dojot/docker-compose.midca.yml").read_text())
    (service,) = document["services"].values()
    settings = Settings.from_environment(service["environment"])

    assert list(document["services"]) == ["ejbca"]
    assert service["image"] == f"midca:{PROJECT['version']}"
    assert "ports" not in service
    volume, mount_point = service["volumes"][0].split(":")
    assert volume in document["volumes"]
    assert f"VOLUME {mount_point}\n" in (CHECKOUT / "Dockerfile").read_text()
    assert settings.trusted_networks
    assert settings.events_beside
    assert device_events(service["environment"]).group == "ejbca-group"


# ------------------------------------------------------------------------------------------------------------ systemd


@pytest.fixture(params=["midca.service", "midca-events.service", "midca-broker-agent.service"])
def unit(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """The unit with a program that exists here: systemd-analyze looks for it."""
    text = (CHECKOUT / "deploy/systemd" / request.param).read_text()
    copy = tmp_path / request.param
    copy.write_text(text.replace("ExecStart=/opt/midca/bin/midca ", f"ExecStart={sys.executable} "))
    assert copy.read_text() != text
    return copy


def test_systemd_understands_every_line_of_the_unit(unit):
    outcome = run(require_tool("systemd-analyze"), "verify", "--man=no", unit)

    assert outcome.returncode == 0, outcome.stderr
    assert unit.name not in outcome.stderr


def test_the_unit_is_hardened(unit):
    program = require_tool("systemd-analyze")
    outcome = run(program, "security", "--no-pager", "--offline=yes", f"--threshold={HIGHEST_EXPOSURE}", unit)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "Overall exposure level" in outcome.stdout + outcome.stderr


@pytest.mark.parametrize("name", ["midca-key-passphrase", "midca-pepper"])
@pytest.mark.parametrize("unit", ["midca.service", "midca-events.service"], indirect=True)
def test_the_unit_shows_how_to_hand_over_each_secret(unit, name):
    assert re.search(rf"^#LoadCredentialEncrypted={name}:/\S+/{name}$", unit.read_text(), re.MULTILINE)


# ------------------------------------------------------------------------------------------------------------ package


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sdist, and the wheel that was built from it: so the sdist holds all that building takes."""
    folder = tmp_path_factory.mktemp("dist")
    environment = {**os.environ, "PIP_NO_INDEX": "1"}
    outcome = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, CHECKOUT, env=environment)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    return distributions / f"midca-{PROJECT['version']}-py3-none-any.whl"


def test_the_wheel_brings_one_top_level_package_and_its_data(wheel):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]

    assert {name.split("/")[0] for name in names} == {"app"}
    for folder in ("profiles", "migrations"):
        shipped = {name.removeprefix("app/") for name in names if name.startswith(f"app/{folder}/")}
        assert shipped == {str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / folder).rglob("*") if path.is_file()}
    assert {f"app/frontends/api_description/{name}" for name in ("style.css", "templates/docs.html")} <= set(names)


def test_the_sdist_brings_the_tests_and_no_data_of_a_running_ca(distributions):
    with tarfile.open(distributions / f"midca-{PROJECT['version']}.tar.gz") as archive:
        folders = {name.split("/")[1] for name in archive.getnames()}

    assert {"app", "profiles", "migrations", "tests", "requirements", "tools", "Makefile", "LICENSE"} <= folders
    assert not {"var", ".venv", ".git", "dist"} & folders


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the installed wheel; its dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("site")
    outcome = run(sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", folder, wheel)
    assert outcome.returncode == 0, outcome.stderr
    return folder


def from_the_wheel(installed: Path, tmp_path: Path, *command: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), "MIDCA_DATA": str(tmp_path / "data")}
    return run(*command, cwd=tmp_path, env=environment)


def test_the_installed_command_tells_its_version_from_any_directory(installed, tmp_path):
    outcome = from_the_wheel(installed, tmp_path, installed / "bin/midca", "--version")

    assert outcome.returncode == 0, outcome.stderr
    assert PROJECT["version"] in outcome.stdout


def test_the_installed_command_finds_its_profiles_and_migrations(installed, tmp_path):
    loaded_from = from_the_wheel(installed, tmp_path, sys.executable, "-c", "import app; print(app.__file__)")
    assert loaded_from.stdout.startswith(str(installed))

    outcome = from_the_wheel(installed, tmp_path, installed / "bin/midca", "init")

    assert outcome.returncode == 0, outcome.stderr


# --------------------------------------------------------------------------------------------------------------- make


def test_make_help_lists_every_target():
    text = (CHECKOUT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z][a-z-]*):", text, re.MULTILINE))
    listed = set(
        re.findall(r"^  make (\S+) +\S", run("make", "--no-print-directory", cwd=CHECKOUT).stdout, re.MULTILINE)
    )

    assert {"help", "install", "serve", "test", "lint", "bench", "lock", "build", "clean"} <= targets
    assert listed == targets


@pytest.mark.parametrize("flock", ["with flock", "without flock"])
def test_one_make_at_a_time_builds_the_environment(flock, tmp_path):
    environment = dict(os.environ)
    if flock == "without flock":
        for name in ("sh", "rm", "sleep"):
            (tmp_path / name).symlink_to(require_tool(name))
        environment["PATH"] = str(tmp_path)
    alone = "set -C && : >busy && sleep 0.1 && rm busy"
    command = [CHECKOUT / "tools/with-lock", "lock", "sh", "-c", alone]

    builders = [subprocess.Popen(command, cwd=tmp_path, env=environment) for _ in range(3)]

    assert [builder.wait(timeout=60) for builder in builders] == [0, 0, 0]


def test_a_python_that_is_too_old_is_refused_with_a_sentence(tmp_path):
    environment = {**os.environ, "PYTHON": "/nowhere/python3"}
    outcome = run(CHECKOUT / "tools/make-venv", tmp_path / "venv", env=environment)

    assert outcome.returncode == 1
    assert "is not a Python 3.11 or newer" in outcome.stderr
    assert not (tmp_path / "venv").exists()


# --------------------------------------------------------------------------------------------------------------- lock


def locked(path: Path) -> dict[str, str]:
    """Return name → the whole entry, its hashes included."""
    entries = re.split(r"^(?=[a-z0-9])", path.read_text(), flags=re.MULTILINE)[1:]
    return {entry.split("==")[0]: entry for entry in entries}


def version_in(entry: str) -> str:
    return re.match(r"\S+==(\S+)", entry)[1]


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.name)
def test_every_locked_requirement_has_its_hashes(path):
    entries = locked(path)

    assert entries
    assert [name for name, entry in entries.items() if not re.search(r"--hash=sha256:[0-9a-f]{64}\b", entry)] == []


@pytest.mark.parametrize("path", LOCK_FILES, ids=lambda path: path.name)
def test_a_lock_file_names_no_index(path):
    assert re.findall(r"://|^--?[a-z].*", path.read_text(), re.MULTILINE) == []


def test_what_the_project_asks_for_is_what_is_locked():
    runtime = locked(CHECKOUT / "requirements/runtime.txt")

    for requirement in map(Requirement, PROJECT["dependencies"]):
        assert version_in(runtime[requirement.name.lower()]) in requirement.specifier


def test_the_lock_with_extras_is_the_one_without_and_their_libraries_more():
    runtime, extras = locked(CHECKOUT / "requirements/runtime.txt"), locked(CHECKOUT / "requirements/extras.txt")
    wanted = [
        Requirement(text)
        for extra in ("kafka", "postgres", "broker")
        for text in PROJECT["optional-dependencies"][extra]
    ]

    for requirement in wanted:
        assert version_in(extras[requirement.name]) in requirement.specifier
    assert {name: version_in(extras[name]) for name in runtime} == {
        name: version_in(entry) for name, entry in runtime.items()
    }


def test_the_tests_run_with_the_versions_that_are_deployed():
    development = locked(CHECKOUT / "requirements/dev.txt")
    deployed = locked(CHECKOUT / "requirements/extras.txt") | locked(CHECKOUT / "requirements/build.txt")

    assert {name: version_in(entry) for name, entry in deployed.items()} == {
        name: version_in(development[name]) for name in deployed
    }


def test_the_test_vectors_are_of_the_version_of_the_library():
    development = locked(CHECKOUT / "requirements/dev.txt")

    assert version_in(development["cryptography-vectors"]) == version_in(development["cryptography"])
