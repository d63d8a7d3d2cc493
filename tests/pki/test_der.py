import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from app.pki.der import first_element
from tests.pki.authorities import authority


def test_of_a_certificate_it_is_what_was_signed():
    certificate = authority().certificate

    assert first_element(certificate.public_bytes(Encoding.DER)) == certificate.tbs_certificate_bytes


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x80", b"\x30\x03\x30\x05\x00", b"\x30\x04\x30\x02\x00", b"AAA"])
def test_lengths_that_do_not_fit_are_an_error(der):
    with pytest.raises(ValueError, match=r"fit|cut off"):
        first_element(der)
