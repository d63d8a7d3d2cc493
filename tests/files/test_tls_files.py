"""What TLS is spoken with: good files, and a sentence for every file that is not."""

import datetime as dt
import ssl

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.errors import ConfigurationError
from app.files.tls_files import TlsFiles
from tests.builders import key


def certificate_of(number: int) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key(number).public_key())
    builder = builder.serial_number(1).not_valid_before(begin).not_valid_after(begin + dt.timedelta(3650))
    return builder.sign(key(number), hashes.SHA256()).public_bytes(Encoding.PEM)


def private(number: int, encryption=NoEncryption(), form=PrivateFormat.PKCS8) -> bytes:  # noqa: B008 -- never changed
    return key(number).private_bytes(Encoding.PEM, form, encryption)


@pytest.fixture
def files(tmp_path) -> TlsFiles:
    made = TlsFiles(tmp_path / "tls.crt", tmp_path / "tls.key", tmp_path / "clients.pem")
    made.certificate.write_bytes(certificate_of(0))
    made.key.write_bytes(private(0))
    made.key.chmod(0o600)
    made.client_ca.write_bytes(certificate_of(1) + certificate_of(2))
    return made


def test_good_files_speak_tls_from_1_2_on_and_take_client_certificates_without_asking_for_them(files):
    context = files.context()

    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION
    assert context.verify_mode is ssl.CERT_OPTIONAL
    assert files.leaf().not_valid_after_utc.year == 2035


def test_without_client_cas_no_client_certificate_is_asked_for(files):
    assert TlsFiles(files.certificate, files.key, None).context().verify_mode is ssl.CERT_NONE


def remove(which):
    return lambda files: getattr(files, which).unlink()


def write(which, content):
    return lambda files: getattr(files, which).write_bytes(content)


BAD = {
    "no certificate": (remove("certificate"), r"tls\.crt holds no certificate: No such file or directory\."),
    "no key": (remove("key"), r"tls\.key cannot be read: No such file or directory\."),
    "no client CAs": (remove("client_ca"), r"clients\.pem holds no CA of client certificates: No such file"),
    "certificate is a key": (write("certificate", private(0)), r"tls\.crt holds no certificate: "),
    "certificate is broken": (
        write("certificate", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        r"tls\.crt holds no certificate: ",
    ),
    "key is a certificate": (write("key", certificate_of(0)), r"cannot be used for TLS: "),
    "key of another certificate": (write("key", private(1)), r"cannot be used for TLS: key values mismatch\."),
    "encrypted key": (write("key", private(0, BestAvailableEncryption(b"x"))), r"tls\.key is encrypted"),
    "encrypted key of old": (
        write("key", private(0, BestAvailableEncryption(b"x"), PrivateFormat.TraditionalOpenSSL)),
        r"tls\.key is encrypted",
    ),
    "key open to others": (lambda files: files.key.chmod(0o640), r"tls\.key can be read by others .*must be 0600\."),
    "empty client CAs": (write("client_ca", b""), r"clients\.pem holds no CA of client certificates: "),
    "client CAs are none": (write("client_ca", private(0)), r"clients\.pem holds no CA of client certificates: "),
}


@pytest.mark.parametrize(("spoil", "told"), BAD.values(), ids=BAD)
def test_what_cannot_be_used_is_told_of_with_its_file_and_nothing_of_the_key(files, spoil, told):
    spoil(files)

    with pytest.raises(ConfigurationError, match=told) as refusal:
        files.context()

    assert "PRIVATE" not in str(refusal.value)
    assert str(refusal.value).endswith(".")
