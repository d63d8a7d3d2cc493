import os

import pytest
from cryptography.hazmat.primitives import serialization

from app.bootstrap import open_services
from app.errors import ConfigurationError
from app.files.authority_files import AuthorityFiles
from app.files.private_keys import PrivateKeys, check_key
from app.pki.declared_authority import KEY_TYPES
from tests.builders import key
from tests.pki.authorities import authority, authority_key

PASSPHRASE = b"0123456789abcdef"


def authority_files(path, *passphrases: bytes) -> AuthorityFiles:
    return AuthorityFiles(path, PrivateKeys(lambda: passphrases or (PASSPHRASE,)))


@pytest.fixture
def files(tmp_path):
    """The files of one CA called Test CA."""
    found = authority_files(tmp_path / "ca")
    found.save_key("Test CA", authority_key("RSA"))
    found.save_certificate("Test CA", authority().certificate)
    return found


def mode(path) -> int:
    return path.stat().st_mode & 0o777


def test_key_and_certificate_come_back_as_they_were_saved(files):
    assert files.key("Test CA").public_key() == authority_key("RSA").public_key()
    assert files.certificate("Test CA") == authority().certificate
    assert files.names() == ["Test CA"]


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_key_is_its_owners_alone_whatever_the_umask(tmp_path, mask):
    files = authority_files(tmp_path / "ca")
    before = os.umask(mask)
    try:
        files.save_key("Test CA", authority_key("RSA"))
    finally:
        os.umask(before)

    assert mode(files.key_path("Test CA")) == 0o600
    assert mode(files.keys) == 0o700


def test_key_on_disk_is_encrypted(files):
    assert b"BEGIN ENCRYPTED PRIVATE KEY" in files.key_path("Test CA").read_bytes()


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_every_kind_of_key_can_be_kept(tmp_path, key_type):
    files = authority_files(tmp_path / "ca")
    files.save_key("Test CA", authority_key(key_type))

    check_key("Test CA", files.key("Test CA"), authority(key_type).certificate.public_key())


def test_saving_leaves_no_other_file(files):
    assert [path.name for path in files.keys.iterdir()] == ["Test CA.pem"]


def test_key_is_never_replaced(files):
    before = files.key_path("Test CA").read_bytes()

    with pytest.raises(FileExistsError):
        files.save_key("Test CA", key())
    assert files.key_path("Test CA").read_bytes() == before
    assert [path.name for path in files.keys.iterdir()] == ["Test CA.pem"]


def test_certificate_is_never_replaced(files):
    with pytest.raises(FileExistsError):
        files.save_certificate("Test CA", authority("P-256").certificate)
    assert files.certificate("Test CA") == authority().certificate


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o620, 0o602])
def test_key_others_could_read_or_write_is_refused(files, bits):
    files.key_path("Test CA").chmod(bits)

    with pytest.raises(ConfigurationError, match=f"mode {bits:04o}.*must be 0600"):
        files.key("Test CA")


def test_directory_of_keys_others_could_enter_is_refused(files):
    files.keys.chmod(0o750)

    with pytest.raises(ConfigurationError, match="must be 0700"):
        files.key("Test CA")


def test_wrong_passphrase_is_refused_and_not_shown(files):
    other = authority_files(files.directory, b"CANARY-passphrase")

    with pytest.raises(ConfigurationError, match="wrong passphrase") as refusal:
        other.key("Test CA")
    assert "CANARY" not in f"{refusal.value} {other}"


def test_missing_key_is_refused_by_its_path(files):
    files.key_path("Test CA").unlink()

    assert not files.has_key("Test CA")
    with pytest.raises(ConfigurationError, match=r"Test CA\.pem cannot be read"):
        files.key("Test CA")


def test_unencrypted_key_is_refused(files):
    plain = authority_key("RSA").private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    files.key_path("Test CA").write_bytes(plain)

    with pytest.raises(ConfigurationError, match="not encrypted"):
        files.key("Test CA")


@pytest.mark.parametrize("content", [b"", b"junk", b"\0" * 100])
def test_file_that_is_no_key_or_certificate_is_refused(files, content):
    files.key_path("Test CA").write_bytes(content)
    files.certificate_path("Test CA").write_bytes(content)

    with pytest.raises(ConfigurationError, match="no key"):
        files.key("Test CA")
    with pytest.raises(ConfigurationError, match="no certificate"):
        files.certificate("Test CA")


@pytest.mark.parametrize("other", ["RSA", "P-256", "Ed25519", "ML-DSA-65"])
def test_key_that_does_not_fit_its_certificate_is_refused(other):
    foreign = key(1) if other == "RSA" else authority_key(other)

    with pytest.raises(ConfigurationError, match="does not fit its certificate"):
        check_key("Test CA", foreign, authority().certificate.public_key())


# What the program as a whole makes of them (F17).


def key_path(installation):
    return installation.settings.authority_files / "keys" / "IOTmidCA.pem"


def swap_keys(installation):
    other = installation.settings.authority_files / "keys" / "IOTrootCA.pem"
    key_path(installation).write_bytes(other.read_bytes())


def give_away(installation):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file to another user")
    os.chown(key_path(installation), 12345, -1)


def change_passphrase(installation):
    installation.settings.key_passphrase.default.write_text("another passphrase")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda installation: key_path(installation).unlink(), "does not hold its key"),
        (lambda installation: key_path(installation).chmod(0o644), "must be 0600"),
        (give_away, "belongs to another user"),
        (lambda installation: key_path(installation).write_text("junk"), "no key"),
        (swap_keys, "does not fit its certificate"),
        (change_passphrase, "wrong passphrase"),
    ],
    ids=["missing", "open to others", "another user's", "junk", "of another CA", "another passphrase"],
)
def test_ca_whose_key_cannot_be_used_does_not_start_and_makes_no_new_one(installation, spoil, reason):
    spoil(installation)
    before = sorted((path, path.read_bytes()) for path in installation.settings.authority_files.rglob("*.pem"))

    with pytest.raises(ConfigurationError, match=reason):
        open_services(installation.settings, create=True)
    assert sorted((path, path.read_bytes()) for path in installation.settings.authority_files.rglob("*.pem")) == before


def test_files_of_a_new_ca_are_its_owners_alone(installation):
    settings = installation.settings

    assert mode(settings.data) == 0o700
    assert settings.database_address or mode(settings.database) == 0o600
    assert mode(settings.admin_token) == 0o600
    assert {mode(path) for path in (settings.authority_files / "keys").iterdir()} == {0o600}
    assert {mode(path) for path in (settings.data / "secrets").iterdir()} == {0o600}
