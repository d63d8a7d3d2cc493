"""A certificate authority: its certificate, its chain and its key; it signs what a template says."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat import asn1
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from app.errors import ProfileViolation, SigningUnavailable
from app.pki.certificate_dates import certificate_dates
from app.pki.certificate_template import Particulars, Pointer
from app.pki.distinguished_name import ca_id, to_string
from app.pki.key_identity import public_key_sha256_of
from app.pki.name_constraints import problems
from app.pki.period import after
from app.pki.write_ahead_key import hash_for, inherited_hash, raw_signature, write_ahead_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.pki.certificate_template import CertificateTemplate
    from app.pki.distribution_points import DistributionPoints


@asn1.sequence
class _Certificate:
    """Certificate of RFC 5280 section 4.1, its parts kept as they are encoded."""

    tbs_certificate: asn1.TLV
    signature_algorithm: asn1.TLV
    signature: asn1.BitString


@asn1.sequence
class _TbsCertificate:
    """TBSCertificate of RFC 5280 section 4.1, read for its signature algorithm."""

    version: Annotated[int, asn1.Explicit(0)]
    serial_number: int
    signature: asn1.TLV
    issuer: asn1.TLV
    validity: asn1.TLV
    subject: asn1.TLV
    subject_public_key_info: asn1.TLV
    extensions: Annotated[asn1.TLV, asn1.Explicit(3)]


@dataclass(frozen=True)
class CertificateAuthority:
    """One CA. ``chain`` runs from its own certificate to the root; ``key`` is None where only the certificate is here.

    ``signs_end_entities`` is False for a CA that the hierarchy reserves for signing other CAs. ``points`` are where its
    lists and certificate can be fetched, None where no URL is known. ``offline``: its key is kept elsewhere, and is
    here only while a ceremony is held. ``issuers`` are the names of the CAs above it, up to the root.
    """

    name: str
    chain: tuple[x509.Certificate, ...]
    key: CertificateIssuerPrivateKeyTypes | None = field(repr=False)
    signs_end_entities: bool = True
    points: DistributionPoints | None = None
    offline: bool = False
    issuers: tuple[str, ...] = ()

    @cached_property
    def certificate(self) -> x509.Certificate:
        """The CA's own certificate."""
        return self.chain[0]

    @cached_property
    def path(self) -> tuple[str, ...]:
        """The names of the CA and of all above it, as in its chain."""
        return (self.name, *self.issuers)

    @cached_property
    def id(self) -> int:
        """EJBCA's id of this CA."""
        return ca_id(self.certificate.subject)

    @cached_property
    def subject_dn(self) -> str:
        """The CA's subject as EJBCA writes it."""
        return to_string(self.certificate.subject)

    @cached_property
    def public_key_sha256(self) -> str:
        """By what the CA's key is known again."""
        return public_key_sha256_of(self.certificate.public_key())

    @cached_property
    def _authority_key_identifier(self) -> x509.AuthorityKeyIdentifier:
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)

    @cached_property
    def _validity(self) -> tuple[datetime, datetime]:
        return self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc

    @cached_property
    def _name_constraints(self) -> tuple[x509.NameConstraints, ...]:
        extensions = (extension for certificate in self.chain for extension in certificate.extensions)
        return tuple(found.value for found in extensions if isinstance(found.value, x509.NameConstraints))

    def has_ended(self, now: datetime) -> bool:
        """Return whether the CA's certificate is past its end: nothing it signed counts any more."""
        return now > self._validity[1]

    def check_validity(self, now: datetime) -> None:
        """Raise :class:`SigningUnavailable` unless the CA's certificate is valid at ``now``."""
        not_before, not_after = self._validity
        if now < not_before:
            raise SigningUnavailable(f"Signing CA {self.name} is not yet valid.")
        if now > not_after:
            raise SigningUnavailable(f"Signing CA {self.name} has expired.")

    def check_usable(self, now: datetime) -> None:
        """Raise :class:`SigningUnavailable` unless the CA has a key here and is valid at ``now``."""
        self.check_validity(now)
        self.signing_key()

    def dates(self, template: CertificateTemplate, now: datetime) -> tuple[datetime, datetime]:
        """Return notBefore and notAfter, or raise :class:`ProfileViolation` where nothing is left within the CA's."""
        self.check_validity(now)
        return certificate_dates(template, now, self._validity)

    def check_names(self, template: CertificateTemplate) -> None:
        """Raise :class:`ProfileViolation` when a CA of the chain may not certify one of the names (RFC 5280 6.1.3)."""
        if not self._name_constraints:
            return
        names = (name for each in template.extensions for name in _alternative_names(each.value))
        if found := dict.fromkeys(problems(self._name_constraints, template.subject, names)):
            raise ProfileViolation(found)

    def particulars(self, template: CertificateTemplate, *, serial: int, now: datetime) -> Particulars:
        """Return what :meth:`sign` will add to ``template`` with the same serial and time."""
        names_a_list = template.pointers & {Pointer.CRL, Pointer.FRESHEST_CRL}
        partition = self.points.partition(serial) if self.points and names_a_list else None
        return Particulars(serial, *self.dates(template, now), partition)

    def sign(
        self, template: CertificateTemplate, *, serial: int, now: datetime, record: Callable[[bytes], None]
    ) -> x509.Certificate:
        """Sign ``template``; ``record`` gets the DER of the TBSCertificate first; if it raises, nothing is signed."""
        check_serial(serial)
        certificate = _sign(self._builder(template, serial, now), self.signing_key(), template, record)
        self._verify(certificate)
        return certificate

    def draft(
        self, template: CertificateTemplate, *, serial: int, now: datetime, key: CertificateIssuerPrivateKeyTypes
    ) -> x509.Certificate:
        """Return what :meth:`sign` would sign, signed by ``key``, which is not the CA's: to be looked at, no more."""
        return _sign(self._builder(template, serial, now), key, template, lambda _: None)

    def _builder(self, template: CertificateTemplate, serial: int, now: datetime) -> x509.CertificateBuilder:
        self.check_names(template)
        not_before, not_after = self.dates(template, now)
        return x509.CertificateBuilder(
            issuer_name=self.certificate.subject,
            subject_name=template.subject,
            public_key=template.public_key,
            serial_number=serial,
            not_valid_before=not_before,
            not_valid_after=not_after,
            extensions=[
                *template.extensions,
                x509.Extension(x509.AuthorityKeyIdentifier.oid, False, self._authority_key_identifier),  # noqa: FBT003
                *(self.points.extensions(template.pointers, serial) if self.points else ()),
            ],
        )

    def sign_recorded(self, tbs: bytes) -> x509.Certificate:
        """Sign the exact TBSCertificate that was recorded earlier; the signature algorithm is the one it names.

        Only an end entity's, issued by this CA: writing to the database must not be a way to a CA or an OCSP responder
        of one's own.
        """
        key = self.signing_key()
        algorithm = asn1.decode_der(_TbsCertificate, tbs).signature
        unsigned = _assemble(tbs, algorithm, b"")
        constraints = unsigned.extensions.get_extension_for_class(x509.BasicConstraints).value
        if unsigned.issuer != self.certificate.subject or constraints.ca or _answers_for_its_issuer(unsigned):
            raise SigningUnavailable(f"CA '{self.name}' does not sign what is recorded: it is no end entity's.")
        signature = raw_signature(key, tbs, unsigned.signature_hash_algorithm)
        certificate = _assemble(tbs, algorithm, signature)
        self._verify(certificate)
        return certificate

    def signing_key(self) -> CertificateIssuerPrivateKeyTypes:
        """Return the key, or raise :class:`SigningUnavailable` where there is none."""
        if self.key is None:
            raise SigningUnavailable(f"CA token is offline for CA '{self.name}'.")
        return self.key

    def _verify(self, certificate: x509.Certificate) -> None:
        """A key that went wrong in memory, or does not fit its certificate, must not give anything away."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (InvalidSignature, ValueError, TypeError) as error:
            raise SigningUnavailable(f"CA '{self.name}' made a signature that does not verify.") from error


def _answers_for_its_issuer(certificate: x509.Certificate) -> bool:
    usages = [each.value for each in certificate.extensions if isinstance(each.value, x509.ExtendedKeyUsage)]
    return any(ExtendedKeyUsageOID.OCSP_SIGNING in usage for usage in usages)


def _alternative_names(value: x509.ExtensionType) -> Iterable[x509.GeneralName]:
    return value if isinstance(value, x509.SubjectAlternativeName) else ()


def self_signed(
    template: CertificateTemplate,
    key: CertificateIssuerPrivateKeyTypes,
    *,
    serial: int,
    not_before: datetime,
    record: Callable[[bytes], None],
) -> x509.Certificate:
    """Sign a root's own certificate; as for :meth:`CertificateAuthority.sign`, ``record`` comes first."""
    check_serial(serial)
    identifier = x509.SubjectKeyIdentifier.from_public_key(template.public_key)
    builder = x509.CertificateBuilder(
        issuer_name=template.subject,
        subject_name=template.subject,
        public_key=template.public_key,
        serial_number=serial,
        not_valid_before=not_before,
        not_valid_after=after(not_before, template.validity),
        extensions=list(template.extensions),
    ).add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    return _sign(builder, key, template, record)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of the certificate's DER as openssl prints it: upper-case hex pairs with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def check_serial(serial: int) -> None:
    """Raise :class:`ValueError` unless the serial is positive and at most 20 octets (RFC 5280 section 4.1.2.2)."""
    if not 0 < serial < 1 << 159:
        raise ValueError(f"{serial} cannot be the serial of a certificate")


def serial_hex(serial: int) -> str:
    """Return a serial as it is stored and shown: upper-case hex without leading zeros."""
    return f"{serial:X}"


def _sign(
    builder: x509.CertificateBuilder,
    key: CertificateIssuerPrivateKeyTypes,
    template: CertificateTemplate,
    record: Callable[[bytes], None],
) -> x509.Certificate:
    algorithm = template.hash_algorithm or inherited_hash(key)
    return builder.sign(write_ahead_key(key, record), hash_for(key, algorithm))


def _assemble(tbs: bytes, algorithm: asn1.TLV, signature: bytes) -> x509.Certificate:
    certificate = _Certificate(
        tbs_certificate=asn1.decode_der(asn1.TLV, tbs),
        signature_algorithm=algorithm,
        signature=asn1.BitString(signature, 0),
    )
    return x509.load_der_x509_certificate(asn1.encode_der(certificate))
