"""What holds for every certificate that leaves the CA (A70 to A72)."""

import inspect
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from app.bootstrap import open_services
from tests.builders import csr, one_line, wrapped


@pytest.fixture
def issue(installation, client):
    def issue() -> x509.Certificate:
        installation.add()
        names = x509.SubjectAlternativeName([x509.DNSName("device.example")])
        body = {"passwd": "dojot", "certificate": one_line(csr(extensions=((names, False),)))}
        answer = client.post("/sign/f60c28/pkcs10", json=body)
        return x509.load_pem_x509_certificate(wrapped(answer.json["status"]["data"]).encode())

    return issue


@pytest.fixture
def issuer(installation) -> x509.Certificate:
    return installation.services.authorities.named("IOTmidCA").certificate


def extension(certificate, kind):
    return certificate.extensions.get_extension_for_class(kind)


def test_certificate_names_its_issuers_key(issue, issuer):
    """A70."""
    own = extension(issuer, x509.SubjectKeyIdentifier).value.digest

    assert extension(issue(), x509.AuthorityKeyIdentifier).value.key_identifier == own


def test_certificate_says_exactly_what_the_profile_says(issue):
    """A70."""
    certificate = issue()

    usage = extension(certificate, x509.KeyUsage)
    assert not usage.critical
    assert usage.value == x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_agreement=False,  # dojot lists it, and an RSA key cannot (RFC 3279 section 2.3.1)
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    assert extension(certificate, x509.BasicConstraints).value == x509.BasicConstraints(ca=False, path_length=None)
    with pytest.raises(x509.ExtensionNotFound):
        extension(certificate, x509.ExtendedKeyUsage)


def test_certificate_lasts_as_long_as_the_profile_says_and_begins_a_little_earlier(issue, installation):
    """A70."""
    installation.clock.advance(days=1)
    certificate = issue()

    assert certificate.not_valid_before_utc == installation.clock.now.replace(microsecond=0) - timedelta(minutes=10)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=730)


@pytest.mark.parametrize("days", [0, 3000, 3650])
def test_certificate_lies_within_its_issuers_validity(issue, issuer, installation, days):
    """A70, A72."""
    installation.clock.advance(days=days)
    certificate = issue()

    assert issuer.not_valid_before_utc <= certificate.not_valid_before_utc
    assert certificate.not_valid_after_utc <= issuer.not_valid_after_utc
    assert (certificate.not_valid_after_utc == issuer.not_valid_after_utc) is (days > 2922)


@pytest.mark.parametrize("year", [1949, 2000, 2050, 9999])
def test_absurd_clock_signs_nothing(installation, client, year):
    """A72."""
    installation.add()
    installation.clock.now = installation.clock.now.replace(year=year, day=1)

    answer = client.post("/sign/f60c28/pkcs10", json={"passwd": "dojot", "certificate": one_line(csr())})

    assert answer.status_code == 503
    assert installation.certificates() == 0


def test_serial_is_long_random_and_never_repeated(issue):
    """A70, A71."""
    serials = {issue().serial_number for _ in range(5)}

    assert len(serials) == 5
    assert all(2**64 < serial < 2**159 for serial in serials)


def test_usual_source_of_serials_is_unique_positive_and_unbiased():
    """A71."""
    new_serial = inspect.signature(open_services).parameters["new_serial"].default

    serials = [new_serial() for _ in range(20_000)]

    assert len(set(serials)) == 20_000
    assert all(serial > 0 and serial.bit_length() <= 159 for serial in serials)
    for bit in range(9, 159):
        ones = sum(serial >> bit & 1 for serial in serials)
        assert 9_400 < ones < 10_600, bit


def test_chain_is_accepted_by_a_verifier(issue, installation):
    """A70."""
    chain = installation.services.authorities.named("IOTmidCA").chain
    certificate = issue()
    verifier = PolicyBuilder().store(Store([chain[-1]])).time(installation.clock.now).build_client_verifier()

    verified = verifier.verify(certificate, list(chain[:-1]))

    assert verified.chain == [certificate, *chain]
