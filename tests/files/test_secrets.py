import dataclasses
from pathlib import Path

import pytest

from app.bootstrap import open_services
from app.errors import ConfigurationError
from app.files.secrets import Secret, SecretSource

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


# Secrets that change: one on each line, the first for what is new.


@pytest.fixture
def file_source(source):
    """The secret in a file that a setting names."""
    return dataclasses.replace(source, credential=None, value=None)


def test_lines_behind_the_first_are_earlier_secrets(file_source):
    file_source.file.write_text(f"new {LONG}\n\n  old {LONG} \r\nolder {LONG}\n")

    assert file_source.read(create=False) == tuple(f"{age} {LONG}".encode() for age in ("new", "old", "older"))


@pytest.mark.parametrize("place", ["credential", "value"])
def test_lines_may_come_from_everywhere(source, place):
    text = f"new {LONG}\nold {LONG}\n"
    value = private(source.credential, text) if place == "credential" else text
    changed = dataclasses.replace(source, **{"credential": None, "file": None, place: value})

    assert len(changed.read(create=False)) == 2


def test_short_secret_is_refused_on_every_line(file_source):
    file_source.file.write_text(f"new {LONG}\nshort\n")

    with pytest.raises(ConfigurationError, match="is shorter than 16"):
        file_source.read(create=False)


def test_secret_is_read_again_when_its_file_was_replaced(file_source):
    secret = Secret(file_source, create=False)
    before = secret()

    file_source.replace([b"new " + LONG.encode(), *before])

    assert secret() == (b"new " + LONG.encode(), *before)
    assert file_source.file.stat().st_mode & 0o777 == 0o600


def remove(path):
    path.unlink()


def open_to_others(path):
    path.write_text(f"other {LONG}")
    path.chmod(0o644)


def spoil(path):
    path.write_text("short")


@pytest.mark.parametrize("fault", [remove, open_to_others, spoil])
def test_secret_stays_as_it_was_while_its_file_cannot_be_used(file_source, fault, caplog):
    secret = Secret(file_source, create=False)
    before = secret()

    fault(file_source.file)

    assert secret() == secret() == before
    assert caplog.text.count("stays as it was") == 1  # not at every use
    assert LONG not in caplog.text
    private(file_source.file, f"again {LONG}")
    assert secret() == (b"again " + LONG.encode(),)


def test_secret_stays_as_it_was_while_the_credentials_of_systemd_cannot_be_seen(source, tmp_path, caplog):
    (tmp_path / "given").mkdir()
    (tmp_path / "credential").rename(tmp_path / "given" / "pepper")
    secret = Secret(dataclasses.replace(source, credential=tmp_path / "given" / "pepper"), create=False)
    before = secret()

    (tmp_path / "given").rename(tmp_path / "elsewhere")
    (tmp_path / "given").symlink_to("given")

    assert [secret(), secret()] == [before, before]
    assert caplog.text.count("stays as it was") == 1


def test_secret_that_could_not_be_read_once_is_read_at_the_next_use(file_source, monkeypatch):
    """With too few file descriptors a process may miss the moment at which it was changed."""
    secret = Secret(file_source, create=False)
    before = secret()
    private(file_source.file, f"new {LONG}")
    with monkeypatch.context() as patch:
        patch.setattr(SecretSource, "read", fail)
        assert secret() == before

    assert secret() == (b"new " + LONG.encode(),)


def fail(_source, *, create):
    raise ConfigurationError("Too many open files.")


def test_secret_that_makes_no_sense_is_refused_at_the_start_and_passed_over_later(file_source):
    def check(lines):
        if b"bad" in lines[0]:
            raise ConfigurationError("It is bad.")

    secret = Secret(file_source, create=False, check=check)
    before = secret()
    file_source.file.write_text(f"bad {LONG}")
    assert secret() == before
    with pytest.raises(ConfigurationError, match="It is bad"):
        Secret(file_source, create=False, check=check)


@pytest.mark.parametrize(
    ("absent", "name"),
    [
        ({}, "the systemd credential credential"),
        ({"credential": None, "file": None}, "the environment variable MIDCA_PEPPER"),
    ],
)
def test_secret_that_is_no_file_of_midcas_is_not_written(source, absent, name):
    given = dataclasses.replace(source, **absent)

    assert not given.is_ours
    with pytest.raises(ConfigurationError, match=f"{name} is not a file that midca may write"):
        given.replace([b"new " + LONG.encode()])


def test_file_that_cannot_be_written_is_told(file_source, tmp_path):
    nowhere = dataclasses.replace(file_source, file=tmp_path / "none" / "file")

    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        nowhere.replace([b"new " + LONG.encode()])
