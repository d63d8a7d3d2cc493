"""A certification request (PKCS#10, RFC 2986) that could be read whole and is signed by its own key."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import AttributeOID, NameOID, PublicKeyAlgorithmOID, SignatureAlgorithmOID

from app.errors import MalformedRequest, ProofOfPossessionFailed
from app.pki.der import sequence
from app.pki.key_identity import public_key_sha256_of
from app.pki.text import forbidden_character

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

MAX_DER_BYTES: Final = 48 * 1024
_MAX_RDNS: Final = 32
_NO_KEY_USAGE: Final = x509.KeyUsage(
    digital_signature=False,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=False,
    crl_sign=False,
    encipher_only=False,
    decipher_only=False,
)
_MAX_COMMON_NAME: Final = 64  # ub-common-name, RFC 5280 appendix A.1

# The library warns of a country name that is not two letters; the subject is replaced, so nobody needs to know.
warnings.filterwarnings("ignore", message="Attribute's length must be", category=UserWarning)

_PEM: Final = re.compile(
    r"-----BEGIN (?P<label>(?:NEW )?CERTIFICATE REQUEST)-----(?P<body>[A-Za-z0-9+/=\s]*)-----END (?P=label)-----",
    re.ASCII,
)
# Microsoft's attribute for requested extensions ([MS-WCCE] 2.2.2.7.7.1); the library reads it as if it were RFC 2985's.
_MICROSOFT_CERT_EXTENSIONS: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.2.1.14")
_EXTENSION_REQUEST: Final = x509.ObjectIdentifier("1.2.840.113549.1.9.14")
_WEAK_SIGNATURES: Final = {
    SignatureAlgorithmOID.RSA_WITH_MD5: "MD5",
    SignatureAlgorithmOID.RSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.ECDSA_WITH_SHA1: "SHA-1",
    SignatureAlgorithmOID.DSA_WITH_SHA1: "SHA-1",
}
_WHITE_SPACE: Final = " \t\r\n"
_WITHOUT_WHITE_SPACE: Final = str.maketrans("", "", _WHITE_SPACE)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@asn1.sequence
class _SignedRequest:
    """CertificationRequest of RFC 2986 section 4.2, read for the unused bits of its signature."""

    info: asn1.TLV
    algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class _Extension:
    """Extension of RFC 5280 section 4.1, its value as it stands there."""

    oid: x509.ObjectIdentifier
    critical: Annotated[bool, asn1.Default(False)]  # noqa: FBT003 -- the ASN.1 says so
    value: bytes


@asn1.sequence
class _Extensions:
    """The value of extensionRequest (RFC 2985 section 5.4.2) within a sequence of its own, as the library wants it."""

    extensions: list[_Extension]


@dataclass(frozen=True)
class CertificationRequest:
    """What a request asks for, after proof of possession; nothing in it is trusted beyond that.

    ``extensions`` are the requested ones as decoded objects, none twice, and ``extension_values`` their values as they
    stood. ``sha256`` is of the DER, in hex; ``public_key_sha256`` is what the key is known again by.
    ``challenge_password`` (RFC 2985 section 5.4.1) is no password here, and counts for EST alone.
    """

    public_key: CertificatePublicKeyTypes
    extensions: x509.Extensions
    sha256: str
    public_key_sha256: str
    requested_subject: x509.Name
    extension_values: Mapping[x509.ObjectIdentifier, bytes] = field(default_factory=dict, kw_only=True)
    challenge_password: bytes | None = field(default=None, kw_only=True, repr=False)

    @classmethod
    def from_text(cls, text: str) -> CertificationRequest:
        """Read base64 of DER (white space allowed) or one PEM block; raise :class:`MalformedRequest` otherwise."""
        body = text.strip(_WHITE_SPACE)
        if body.startswith("-----"):
            match = _PEM.fullmatch(body)
            if match is None:
                raise MalformedRequest(
                    "The certification request is not exactly one PEM block CERTIFICATE REQUEST with nothing around it."
                )
            body = match["body"]
        try:
            der = base64.b64decode(body.translate(_WITHOUT_WHITE_SPACE), validate=True)
        except (binascii.Error, ValueError) as error:
            raise MalformedRequest("The certification request is neither base64 of DER nor PEM.") from error
        return cls.from_der(der)

    @classmethod
    def from_der(cls, der: bytes) -> CertificationRequest:
        """Read the DER of a request; raise :class:`MalformedRequest` or :class:`ProofOfPossessionFailed`."""
        if len(der) > MAX_DER_BYTES:
            raise MalformedRequest(f"The certification request is longer than {MAX_DER_BYTES} bytes.")
        with _reading("certification request"):
            csr = x509.load_der_x509_csr(der)
        with _reading("public key"):
            public_key = csr.public_key()
            public_key_sha256 = public_key_sha256_of(public_key)
        _check_signature(csr)
        _check_key_algorithm(csr)
        with _reading("signature"):
            if asn1.decode_der(_SignedRequest, der).signature.padding_bits():
                raise MalformedRequest("The request's signature has unused bits.")
        with _reading("attributes"):
            _check_attributes(csr)
        with _reading("subject"):
            subject = csr.subject
            _check_subject(subject)
        with _reading("extensions"):
            extensions = csr.extensions
            _check_key_usage(extensions)
            values = _extension_values(csr)
        return cls(
            public_key,
            extensions,
            hashlib.sha256(der).hexdigest(),
            public_key_sha256,
            subject,
            extension_values=values,
            challenge_password=_challenge_password(csr),
        )


def _extension_values(csr: x509.CertificateSigningRequest) -> dict[x509.ObjectIdentifier, bytes]:
    try:
        requested = csr.attributes.get_attribute_for_oid(_EXTENSION_REQUEST).value
    except x509.AttributeNotFound:
        return {}
    found = asn1.decode_der(_Extensions, sequence([sequence([requested])]))  # the library gives the content alone
    return {extension.oid: extension.value for extension in found.extensions}


def _challenge_password(csr: x509.CertificateSigningRequest) -> bytes | None:
    given = (each.value for each in csr.attributes if each.oid == AttributeOID.CHALLENGE_PASSWORD)
    return next(given, None)


def _check_signature(csr: x509.CertificateSigningRequest) -> None:
    """Proof of possession first, so that nothing else of an unproven request is looked at (EJBCA: POPO)."""
    if (weak := _WEAK_SIGNATURES.get(csr.signature_algorithm_oid)) is not None:
        raise ProofOfPossessionFailed(
            f"POPO verification failed. The request is signed with {weak}, which is not accepted; use SHA-256."
        )
    try:
        valid = csr.is_signature_valid
    except (UnsupportedAlgorithm, ValueError) as error:
        raise ProofOfPossessionFailed(
            f"POPO verification failed. The request's signature algorithm "
            f"({csr.signature_algorithm_oid.dotted_string}) is not supported or does not fit its key."
        ) from error
    algorithm = csr.signature_hash_algorithm if valid else None
    if algorithm is not None and not isinstance(algorithm, _HASHES):
        name = algorithm.name.upper().replace("SHA", "SHA-", 1)
        raise ProofOfPossessionFailed(
            f"POPO verification failed. The request is signed with {name}, which is not accepted; use SHA-256."
        )
    if not valid:
        raise ProofOfPossessionFailed("POPO verification failed. The signature was not made by the key in the request.")


def _check_key_algorithm(csr: x509.CertificateSigningRequest) -> None:
    """The library reads a key for RSASSA-PSS as any RSA key, and would write it as one, useless to its holder."""
    algorithm = csr.public_key_algorithm_oid  # type: ignore[attr-defined] # the library has it, its stub has not
    if algorithm == PublicKeyAlgorithmOID.RSASSA_PSS:
        raise MalformedRequest(
            "The request's public key is for RSASSA-PSS alone (id-RSASSA-PSS, RFC 4055 section 1.2), which is not "
            "supported; use an RSA key of algorithm rsaEncryption."
        )


def _check_attributes(csr: x509.CertificateSigningRequest) -> None:
    seen = set()
    for attribute in csr.attributes:
        if attribute.oid == _MICROSOFT_CERT_EXTENSIONS:
            raise MalformedRequest(
                "The request brings its extensions in Microsoft's attribute; use extensionRequest (RFC 2985 5.4.2)."
            )
        if attribute.oid in seen:
            raise MalformedRequest(f"The request holds the attribute {attribute.oid.dotted_string} twice.")
        seen.add(attribute.oid)
    known = {_EXTENSION_REQUEST, AttributeOID.CHALLENGE_PASSWORD, AttributeOID.UNSTRUCTURED_NAME}
    if len(seen - known) > len(known):
        raise MalformedRequest("The request holds too many attributes.")


def _check_subject(subject: x509.Name) -> None:
    """Refuse a subject no honest client writes, although it is replaced: what is odd here is odd elsewhere too."""
    if len(subject.rdns) > _MAX_RDNS:
        raise MalformedRequest(f"The request's subject has more than {_MAX_RDNS} attributes.")
    for attribute in subject:
        if not isinstance(attribute.value, str):
            continue
        if (character := forbidden_character(attribute.value)) is not None:
            raise MalformedRequest(f"The request's subject holds the character {character}, which no name may hold.")
        if attribute.oid == NameOID.COMMON_NAME and not 0 < len(attribute.value) <= _MAX_COMMON_NAME:
            raise MalformedRequest(f"The request's common name must have 1 to {_MAX_COMMON_NAME} characters.")


def _check_key_usage(extensions: x509.Extensions) -> None:
    for requested in extensions:
        if isinstance(requested.value, x509.KeyUsage) and requested.value == _NO_KEY_USAGE:
            raise MalformedRequest("The request asks for a key usage without a bit (RFC 5280 section 4.2.1.3).")


@contextmanager
def _reading(part: str) -> Iterator[None]:
    """Turn whatever the library's lazy parser raises for one part of a request into a refusal that names the part."""
    try:
        yield
    except x509.DuplicateExtension as error:
        raise MalformedRequest(f"The request holds the extension {error.oid.dotted_string} twice.") from error
    except x509.UnsupportedGeneralNameType as error:
        raise MalformedRequest("The request's subject alternative name holds an unsupported type of name.") from error
    except x509.InvalidVersion as error:
        raise MalformedRequest("The version of the certification request is not 0 (RFC 2986 section 4.1).") from error
    except UnsupportedAlgorithm as error:
        raise MalformedRequest(f"The request's {part} is of a kind that is not supported.") from error
    except (ValueError, TypeError, LookupError) as error:
        raise MalformedRequest(f"The request's {part} cannot be read: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    text = "" if isinstance(error, LookupError) else str(error)  # a LookupError only tells the key
    if "netmask" in text:  # an address of 8 or 32 octets is a network, as in name constraints
        return "an IP address in the alternative name is not 4 or 16 octets"
    if "single-valued" in text:
        # The library's words for a SET with several values, and also for a SEQUENCE that is not DER: both are meant.
        return "an attribute has several values, or its extensions are not in DER (X.690 section 11)"
    return text.strip().rstrip(".")[:200] or "it is not valid DER (RFC 2986)"
