"""What the code promises about itself, and what the documentation must name."""

import ast
import re
import sys
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import click
import pytest

from app import errors
from app.files.profile_schema import ProfileSchema
from app.frontends.admin_cli import cli
from app.http_access import ACCESS
from app.http_frontend import HttpRefusal, status_of
from app.settings import DESCRIPTIONS
from tests.conftest import run

HERE = Path(__file__).parent.parent
SOURCES = sorted((HERE / "app").rglob("*.py"))
README = (HERE / "README.md").read_text()
DOCUMENTATION = README + "".join(path.read_text() for path in sorted((HERE / "docs").rglob("*.md")))

EXPECTED_STATUSES = {
    "Refusal": 400,
    "InvalidInput": 400,
    "EndEntityProfileViolation": 400,
    "MalformedRequest": 400,
    "ProofOfPossessionFailed": 400,
    "ProfileViolation": 400,
    "NotFound": 404,
    "UnknownAuthority": 404,
    "UnknownProfile": 404,
    "UnknownEndEntity": 404,
    "UnknownCertificate": 404,
    "NoSuchList": 404,
    "UnknownToken": 404,
    "EnrolmentRefused": 400,
    "WrongPassword": 400,
    "WrongStatus": 400,
    "WrongTokenType": 400,
    "EnrolmentWindowOver": 400,
    "TooManyFailures": 429,
    "AddressBlocked": 429,
    "GuessingBlocked": 429,
    "Conflict": 409,
    "KeyInUse": 409,
    "KeyCompromised": 409,
    "SubjectInUse": 409,
    "AlreadyRegistered": 409,
    "HasGoodCertificate": 409,
    "NotAuthenticated": 401,
    "NotAllowed": 403,
    "Forbidden": 403,
    "Unavailable": 503,
    "StoreUnavailable": 503,
    "SigningUnavailable": 503,
    "IdentityProviderUnavailable": 503,
}


def module_name(path: Path) -> str:
    return str(path.relative_to(HERE))


def refusals() -> list[type[errors.Refusal]]:
    return [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, errors.Refusal)]


def commands(command: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), f"{path} {name}")
    else:
        yield path, command


def settings_table() -> dict[str, str]:
    """Return the rows of README's table of settings: the name and the rest of the row."""
    return dict(re.findall(r"^\| *`(MIDCA_\w+)` *\| *(.*?) *\|$", README, re.MULTILINE))


COMMANDS = dict(commands(cli, "midca"))
WITHOUT_JSON = {
    "midca serve",  # its output is its log
    "midca events",  # the same, and with --once JSON in any case
    "midca broker setup",  # what it makes is a directory of files
    "midca ca request",  # PEM
    "midca ceremony sign",  # a file for the server
    "midca ceremony crl",  # the same
    "midca audit export",  # JSON lines in any case
    "midca audit key",  # one line that is made for programs
    "midca audit consistency",  # in the form that witnesses take
    "midca profile schema",  # JSON in any case
    "midca entity-profile schema",  # the same
    "midca profile check",  # a line a file, and the exit status
    "midca entity-profile check",  # the same
}


def test_imports_follow_the_contracts():
    result = run(Path(sys.executable).with_name("lint-imports"), "--no-cache", cwd=HERE)

    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_no_module_is_longer_than_300_lines(path):
    assert len(path.read_text().splitlines()) <= 300


@pytest.mark.parametrize("path", sorted((HERE / "app" / "client").rglob("*.py")), ids=module_name)
def test_client_imports_only_what_its_own_distribution_asks_for(path):
    may = {*sys.stdlib_module_names, "click", "cryptography"}
    if path.name == "dynamic_security.py":
        may.add("paho")  # its extra `broker`, imported when it is needed
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            imported.add(node.module.split(".")[0])

    assert imported <= may


def test_private_keys_are_loaded_and_written_in_one_place():
    """Where a key in hardware will be yielded, too. Devices' own keys, on their own machines, are none of it."""
    names = "load_(pem|der|ssh)_private_key|load_pkcs12|load_key_and_certificates|private_bytes|BestAvailableEncryption"

    ours = [path for path in SOURCES if "client" not in path.parts]
    found = {module_name(path) for path in ours if re.search(rf"\b({names})\b", path.read_text())}

    assert found == {"app/files/private_keys.py"}


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.__name__)
def test_every_refusal_has_the_status_it_is_meant_to_have(refusal):
    assert status_of(refusal.__new__(refusal)) == EXPECTED_STATUSES[refusal.__name__]


def test_refusal_of_http_itself_has_the_status_it_was_given():
    assert status_of(HttpRefusal("no", HTTPStatus.UNSUPPORTED_MEDIA_TYPE)) == 415


def test_readme_has_every_setting_and_no_other():
    assert set(settings_table()) == set(DESCRIPTIONS)


@pytest.mark.parametrize("setting", DESCRIPTIONS)
def test_readme_says_of_a_setting_what_the_code_says(setting):
    assert DESCRIPTIONS[setting] in settings_table().get(setting, "")


@pytest.mark.parametrize("route", sorted(ACCESS), ids=" ".join)
def test_readme_names_every_route(route):
    method, path = route

    assert re.search(rf"{method}[^\n]*{re.escape(path)}(?![\w/])", README)


@pytest.mark.parametrize("command", COMMANDS)
def test_documentation_names_every_command(command):
    assert re.search(rf"{re.escape(command)}(?![\w-])", DOCUMENTATION)


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - WITHOUT_JSON))
def test_every_command_prints_json_for_programs(command):
    assert "--json" in {option for parameter in COMMANDS[command].params for option in parameter.opts}


@pytest.mark.parametrize("key", sorted(ProfileSchema().fields))
def test_documentation_names_every_key_of_a_profile(key):
    shipped = (HERE / "profiles" / "CFREE.yaml").read_text()

    assert re.search(rf"\b{key}\b", DOCUMENTATION + shipped)
