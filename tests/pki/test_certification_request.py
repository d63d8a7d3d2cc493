import base64
from pathlib import Path

import cryptography_vectors
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import MalformedRequest, ProofOfPossessionFailed, Refusal
from app.pki.certification_request import MAX_DER_BYTES, CertificationRequest
from app.pki.key_identity import public_key_sha256_of
from tests.builders import csr, key

VECTORS = sorted((Path(cryptography_vectors.__file__).parent / "x509" / "requests").iterdir())
ASKED = x509.SubjectAlternativeName([x509.DNSName("device.example")])


def der_of(request: x509.CertificateSigningRequest) -> bytes:
    return request.public_bytes(serialization.Encoding.DER)


def pem_of(request: x509.CertificateSigningRequest) -> str:
    return request.public_bytes(serialization.Encoding.PEM).decode()


VALID = der_of(csr(extensions=((ASKED, False),)))


def test_request_gives_its_key_and_the_extensions_asked_for():
    request = CertificationRequest.from_der(VALID)

    assert request.public_key == key().public_key()
    assert [extension.value for extension in request.extensions] == [ASKED]
    assert request.public_key_sha256 == public_key_sha256_of(key().public_key())


def test_hash_is_of_the_der_whatever_it_was_wrapped_in():
    pem = pem_of(csr(extensions=((ASKED, False),)))

    assert CertificationRequest.from_text(pem).sha256 == CertificationRequest.from_der(VALID).sha256


@pytest.mark.parametrize(
    "text",
    [
        base64.b64encode(VALID).decode(),
        base64.encodebytes(VALID).decode(),
        f" \r\n{base64.b64encode(VALID).decode()}\t",
        pem_of(csr(extensions=((ASKED, False),))),
        pem_of(csr(extensions=((ASKED, False),))).replace("\n", "\r\n"),
        pem_of(csr(extensions=((ASKED, False),))).replace("CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"),
    ],
    ids=["one line", "broken lines", "blanks around", "PEM", "PEM with CRLF", "PEM of the older label"],
)
def test_request_is_read_from_every_form_clients_send(text):
    """A34, A35."""
    assert CertificationRequest.from_text(text).public_key == key().public_key()


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "!",
        base64.b64encode(VALID).decode()[:-1],
        base64.b64encode(VALID).decode() + "!",
        "\0" + base64.b64encode(VALID).decode(),
        base64.b64encode(VALID).decode() + "\u00a0",
        base64.b64encode(VALID).decode().replace("A", "\u0410"),
        base64.b64encode(VALID + b"\0").decode(),
        pem_of(csr()) + pem_of(csr()),
        "junk\n" + pem_of(csr()),
        pem_of(csr()) + "junk",
        pem_of(csr()).replace("-----END", "!-----END"),
        pem_of(csr()).replace("BEGIN CERTIFICATE", "BEGIN NEW CERTIFICATE"),
        pem_of(csr()).replace("CERTIFICATE REQUEST", "PRIVATE KEY"),
        "\ud800",
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_text_that_is_no_request_is_refused(text):
    """A34, A35."""
    with pytest.raises(MalformedRequest):
        CertificationRequest.from_text(text)


def test_request_that_is_too_long_is_refused_before_it_is_parsed():
    """A22."""
    with pytest.raises(MalformedRequest, match="longer than"):
        CertificationRequest.from_der(VALID + bytes(MAX_DER_BYTES))


@pytest.mark.parametrize("algorithm", [hashes.SHA224(), hashes.SHA3_256()], ids=lambda algorithm: algorithm.name)
def test_request_signed_with_an_unusual_hash_is_refused_by_name(algorithm):
    """A25."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))

    with pytest.raises(ProofOfPossessionFailed, match=r"SHA-?3?-2"):
        CertificationRequest.from_der(der_of(builder.sign(key(), algorithm)))


def test_request_of_an_ed25519_key_is_read():
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    private = ed25519.Ed25519PrivateKey.generate()

    assert CertificationRequest.from_der(der_of(builder.sign(private, None))).public_key == private.public_key()


def test_request_whose_signature_is_broken_is_refused_as_unproven():
    """A24."""
    broken = VALID[:-1] + bytes([VALID[-1] ^ 1])

    with pytest.raises(ProofOfPossessionFailed, match="POPO"):
        CertificationRequest.from_der(broken)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_request_of_cryptographys_vectors_is_read_or_refused(vector):
    content = vector.read_bytes()
    try:
        if vector.suffix == ".der":
            request = CertificationRequest.from_der(content)
        else:
            request = CertificationRequest.from_text(content.decode("latin-1"))
    except Refusal:
        return
    assert request.public_key_sha256 == public_key_sha256_of(request.public_key)


@pytest.mark.parametrize(
    ("name", "accepted"),
    [
        ("rsa_sha256.pem", True),
        ("san_rsa_sha1.pem", False),
        ("invalid_signature.pem", False),
        ("bad-version.pem", False),
    ],
)
def test_known_request_of_cryptographys_vectors_is_judged_rightly(name, accepted):
    """Guards the test above against judging everything alike."""
    path = next(vector for vector in VECTORS if vector.name == name)
    if accepted:
        CertificationRequest.from_text(path.read_text())
        return
    with pytest.raises(Refusal):
        CertificationRequest.from_text(path.read_text())


@settings(max_examples=1500, deadline=None)
@given(
    changes=st.lists(st.tuples(st.integers(0, len(VALID) - 1), st.integers(0, 255)), max_size=4),
    length=st.integers(0, len(VALID)) | st.just(len(VALID)),
)
def test_request_with_any_bytes_changed_is_read_or_refused(changes, length):
    """A37."""
    mutated = bytearray(VALID)
    for index, value in changes:
        mutated[index] = value
    der = bytes(mutated[:length])
    try:
        request = CertificationRequest.from_der(der)
    except Refusal:
        assert der != VALID
        return
    # Whatever is accepted carries a good signature over what is in it, so it is the valid request itself.
    assert request.public_key == key().public_key()
    assert der == VALID


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_bytes_are_refused_and_nothing_else_happens(content):
    with pytest.raises(Refusal):
        CertificationRequest.from_der(content)
    with pytest.raises(Refusal):
        CertificationRequest.from_text(content.decode("latin-1"))
