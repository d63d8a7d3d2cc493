import math
import os

import pytest
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from app.errors import ConfigurationError
from app.files.private_keys import PrivateKeys, check_key
from tests.builders import key
from tests.pki.authorities import authority

OLD, NEW = b"the old passphrase", b"the new passphrase"
BEHIND = authority().certificate.public_bytes(serialization.Encoding.PEM)


def keys(*passphrases: bytes) -> PrivateKeys:
    return PrivateKeys(lambda: passphrases)


@pytest.fixture
def path(tmp_path):
    """A key that is sealed with the old passphrase, and something behind it."""
    path = tmp_path / "key.pem"
    path.write_bytes(keys(OLD).seal(key()) + BEHIND)
    path.chmod(0o600)
    return path


@asn1.sequence
class RsaPrivateKey:
    """RFC 8017 appendix A.1.2: written by hand, for the library makes none whose numbers are wrong."""

    version: int
    n: int
    e: int
    d: int
    p: int
    q: int
    dmp1: int
    dmq1: int
    iqmp: int


RSA = rsa.generate_private_key(65537, 2048).private_numbers()
NUMBERS = {name: getattr(RSA, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")} | {
    "n": RSA.public_numbers.n,
    "e": RSA.public_numbers.e,
}


def rsa_file(path, **wrong: int) -> PrivateKeys:
    """Write an RSA key that has wrong numbers in the place of some of its own; return what opens it."""
    der = asn1.encode_der(RsaPrivateKey(version=0, **NUMBERS | wrong))
    key = serialization.load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True)
    path.write_bytes(keys(OLD).seal(key))
    path.chmod(0o600)
    return keys(OLD)


def test_rsa_key_is_opened_without_a_look_for_whether_its_primes_are_prime(tmp_path):
    assert rsa_file(tmp_path / "key.pem").load(tmp_path / "key.pem").private_numbers() == RSA


WRONG = [{number: value + 2} for number, value in NUMBERS.items()] + [
    {"p": 1, "q": NUMBERS["n"], "dmp1": 0, "iqmp": 0},
    {"q": 1, "p": NUMBERS["n"], "dmq1": 0, "iqmp": 1},
    {"e": 1, "d": 1, "dmp1": 1, "dmq1": 1},  # with which anybody signs
]


@pytest.mark.parametrize("wrong", WRONG, ids=" ".join)
def test_rsa_key_whose_numbers_do_not_belong_together_is_none(tmp_path, wrong):
    opening = rsa_file(tmp_path / "key.pem", **wrong)

    with pytest.raises(ConfigurationError, match="cannot be opened: wrong passphrase, or no key"):
        opening.load(tmp_path / "key.pem")


def test_rsa_key_of_primes_that_are_none_does_not_pass_for_another(tmp_path):
    """Its numbers belong together, so it is opened; it fits no certificate, and OpenSSL itself knows it for none."""
    p, q, e = RSA.p * 3 - 2, RSA.q, 65537
    while math.gcd(e, (p - 1) * (q - 1)) != 1 or p % 7:  # 7 divides it, so it is no prime
        p += 2
    d = pow(e, -1, math.lcm(p - 1, q - 1))
    numbers = {"p": p, "q": q, "n": p * q, "d": d, "dmp1": d % (p - 1), "dmq1": d % (q - 1), "iqmp": pow(q, -1, p)}
    key = rsa_file(tmp_path / "key.pem", **numbers).load(tmp_path / "key.pem")

    for public in (rsa.RSAPublicNumbers(e, RSA.public_numbers.n).public_key(), key.public_key()):
        with pytest.raises(ConfigurationError, match="does not fit its certificate, or cannot sign"):
            check_key("CA X", key, public)
    with pytest.raises(ConfigurationError, match="no key"):
        keys(OLD).open(tmp_path / "key.pem", validated=True)


@pytest.mark.parametrize("passphrases", [(OLD,), (NEW, OLD), (OLD, NEW), (NEW, b"another one", OLD)])
def test_each_passphrase_may_open(path, passphrases):
    assert keys(*passphrases).load(path).public_key() == key().public_key()


def test_first_passphrase_seals(path):
    pem = keys(NEW, OLD).seal(key(1))

    assert serialization.load_pem_private_key(pem, NEW).public_key() == key(1).public_key()
    with pytest.raises(ValueError, match=r"."):
        serialization.load_pem_private_key(pem, OLD)


def test_reseal_leaves_the_key_and_what_stands_behind_it(path):
    both = keys(NEW, OLD)
    assert not both.is_sealed_anew(path)

    assert both.reseal(path)

    assert both.is_sealed_anew(path)
    assert keys(NEW).load(path).public_key() == key().public_key()
    assert path.read_bytes().endswith(BEHIND)
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(ConfigurationError, match="wrong passphrase"):
        keys(OLD).load(path)


def test_what_is_sealed_anew_is_not_touched(path):
    before = path.stat()

    assert not keys(OLD, NEW).reseal(path)
    assert path.stat() == before


def test_file_that_cannot_be_written_stays_as_it_was(path, monkeypatch):
    before = path.read_bytes()

    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("app.files.protected.os.fsync", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space left"):
        keys(NEW, OLD).reseal(path)
    assert path.read_bytes() == before


def test_rotation_that_ends_while_a_key_is_read_does_not_get_in_the_way(path):
    """The file was read before its key was sealed anew, the passphrase after the old one was taken out."""
    states = iter([(NEW,)])

    def passphrases() -> tuple[bytes, ...]:
        if next(states, None):
            path.write_bytes(keys(NEW).seal(key()))
        return (NEW,)

    assert PrivateKeys(passphrases).load(path).public_key() == key().public_key()


def test_key_of_another_user_is_refused(path, monkeypatch):
    """F17."""
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
    else:
        monkeypatch.setattr("app.files.protected.os.geteuid", lambda: 12345)

    with pytest.raises(ConfigurationError, match="belongs to another user"):
        keys(OLD).load(path)


def test_passphrases_are_not_shown_when_printed():
    secret = keys(OLD)

    assert OLD.decode() not in repr(secret)
    assert OLD.decode() not in str(secret)


def test_elliptic_key_comes_back(tmp_path):
    private = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key.pem"
    path.touch(0o600)
    path.write_bytes(keys(OLD).seal(private))

    assert keys(OLD).load(path).public_key() == private.public_key()
