import dataclasses
from pathlib import Path

import pytest

from app.bootstrap import open_services
from app.errors import ConfigurationError
from app.files.secrets import SecretSource

LONG = "0123456789abcdef"


def private(path: Path, content: str) -> Path:
    path.write_text(content)
    path.chmod(0o600)
    return path


@pytest.fixture
def source(tmp_path):
    """A secret that could come from each of its four places."""
    return SecretSource(
        name="MIDCA_PEPPER",
        credential=private(tmp_path / "credential", f"credential {LONG}\n"),
        file=private(tmp_path / "file", f"file {LONG}\n"),
        value=f"environment {LONG}",
        default=private(tmp_path / "default", f"default {LONG}\n"),
    )


@pytest.mark.parametrize(
    ("absent", "expected"),
    [
        ({}, b"credential"),
        ({"credential": None}, b"file"),
        ({"credential": None, "file": None}, b"environment"),
        ({"credential": None, "file": None, "value": None}, b"default"),
    ],
)
def test_first_place_that_is_there_wins(source, absent, expected):
    assert dataclasses.replace(source, **absent).read(create=False) == (expected + b" " + LONG.encode(),)


def test_credential_directory_without_the_credential_is_passed_over(source, tmp_path):
    elsewhere = dataclasses.replace(source, credential=tmp_path / "none")

    assert elsewhere.read(create=False)[0].startswith(b"file")


def test_file_that_was_named_but_is_missing_is_no_reason_to_look_further(source, tmp_path):
    missing = dataclasses.replace(source, credential=None, file=tmp_path / "none")

    with pytest.raises(ConfigurationError, match="none cannot be read"):
        missing.read(create=True)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o660])
def test_file_that_others_could_read_is_refused(source, mode):
    source.file.chmod(mode)

    with pytest.raises(ConfigurationError, match="must be 0600"):
        dataclasses.replace(source, credential=None).read(create=False)


@pytest.mark.parametrize("short", ["", "  \n", "x" * 15])
def test_short_secret_is_refused_by_the_name_of_its_setting(source, short):
    with pytest.raises(ConfigurationError, match="MIDCA_PEPPER is shorter"):
        dataclasses.replace(source, credential=None, file=None, value=short).read(create=False)


def test_secret_is_made_once_random_and_private(source, tmp_path):
    fresh = dataclasses.replace(source, credential=None, file=None, value=None, default=tmp_path / "new" / "pepper")

    (made,) = fresh.read(create=True)

    assert len(made) >= 43
    assert fresh.read(create=True) == (made,)
    assert fresh.default.stat().st_mode & 0o777 == 0o600
    assert fresh.default.parent.stat().st_mode & 0o777 == 0o700


def test_missing_secret_is_not_made_when_something_depends_on_it(source, tmp_path):
    missing = dataclasses.replace(source, credential=None, file=None, value=None, default=tmp_path / "none")

    with pytest.raises(ConfigurationError, match="none is missing"):
        missing.read(create=False)
    assert not missing.default.exists()


def test_secret_is_not_shown_when_its_source_is_printed(source):
    assert f"environment {LONG}" not in repr(source)


@pytest.mark.parametrize("secret", ["key_passphrase", "pepper"])
def test_ca_whose_secret_is_missing_does_not_start_and_gets_no_new_one(installation, secret):
    path = getattr(installation.settings, secret).default
    path.unlink()

    with pytest.raises(ConfigurationError, match=r"is missing: what it protects is there.*backup"):
        open_services(installation.settings, create=True)
    assert not path.exists()
