"""Makes the declared CAs that do not exist yet, and loads them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from cryptography import x509

from app.errors import ConfigurationError, ProfileViolation
from app.files.authority_files import AuthorityFiles, check_key
from app.operations.actor import SYSTEM
from app.operations.authorities import Authorities
from app.operations.drafts import Drafts
from app.operations.profiles import Profiles
from app.operations.recorded_signing import RecordedSigning, Subject
from app.pki.certificate_authority import CertificateAuthority, self_signed
from app.pki.certificate_template import Particulars
from app.pki.distribution_points import DistributionPoints
from app.pki.period import after
from app.store.certificates import CertificateType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.pki.declared_authority import DeclaredAuthority


@dataclass(frozen=True)
class Hierarchy:
    """Holds what is declared against what is on disk. ``signing_key`` may wrap each key before it is used.

    ``public_urls`` are where the world reaches this server, none when certificates shall name no URL; ``delta_lists``
    tells whether there are delta lists to point at.
    """

    declared: Sequence[DeclaredAuthority]
    files: AuthorityFiles
    signing: RecordedSigning
    profiles: Profiles
    drafts: Drafts
    now: Callable[[], datetime]
    new_serial: Callable[[], int]
    signing_key: Callable[[CertificateIssuerPrivateKeyTypes], CertificateIssuerPrivateKeyTypes]
    public_urls: tuple[str, ...] = ()
    delta_lists: bool = False

    def create_missing(self) -> list[str]:
        """Make every declared CA that has no certificate yet, issuers first; return their names.

        Each step can be interrupted and is taken up again: key file, recorded signature, certificate file.
        """
        self._check()
        created = []
        for declared in self.declared:
            if self.files.certificate(declared.name) is None:
                self._create(declared)
                created.append(declared.name)
        return created

    def load(self) -> Authorities:
        """Return all CAs, each key tried out.

        Raises :class:`ConfigurationError` when the declaration contradicts what is on disk, or a key cannot be used.
        """
        self._check()
        return Authorities(self._load(declared) for declared in self.declared)

    def _check(self) -> None:
        """Hold every CA on disk against its declaration, before anything is made by a file that contradicts them."""
        undeclared = set(self.files.names()) - {declared.name for declared in self.declared}
        if undeclared:
            raise ConfigurationError(
                f"The hierarchy file does not declare the CA {min(undeclared)}, which is on disk and may have "
                "certificates in use; declare it again."
            )
        for declared in self.declared:
            certificate = self.files.certificate(declared.name)
            problems = list(self._contradictions(declared, certificate)) if certificate else []
            if problems:
                raise ConfigurationError(
                    f"The hierarchy file contradicts the CA {declared.name} on disk: {'; '.join(problems)}. "
                    "An existing CA is never made again; restore the file, or give the new CA another name."
                )
            self._check_profile(declared, new=certificate is None)

    def _check_profile(self, declared: DeclaredAuthority, *, new: bool) -> None:
        """Hold a CA that is to be made against its profile; of one that is there, that the profile is there too."""
        profile = self.profiles.for_authority(declared.name, declared.profile)
        if new and (problems := list(declared.problems(profile))):
            raise ConfigurationError(f"The CA {declared.name} cannot be made: {'; '.join(problems)}.")

    def _contradictions(self, declared: DeclaredAuthority, certificate: x509.Certificate) -> Iterator[str]:
        issuer = self.files.certificate(declared.issuer) if declared.issuer else None
        if declared.issuer and issuer is None:
            yield f"it is signed by {declared.issuer}, which is not there"
        else:
            yield from declared.contradictions(certificate, issuer)

    def _load(self, declared: DeclaredAuthority) -> CertificateAuthority:
        chain = self._chain(declared)
        key = self.files.key(declared.name)
        check_key(declared.name, key, chain[0])
        return CertificateAuthority(
            declared.name, chain, self.signing_key(key), declared.signs_end_entities, self._points(declared)
        )

    def _points(self, declared: DeclaredAuthority) -> DistributionPoints | None:
        if not self.public_urls:
            return None
        return DistributionPoints(declared.name, self.public_urls, declared.crl_partitions, self.delta_lists)

    def _chain(self, declared: DeclaredAuthority) -> tuple[x509.Certificate, ...]:
        certificate = self.files.certificate(declared.name)
        if certificate is None:
            raise ConfigurationError(f"{self.files.certificate_path(declared.name)} is missing.")
        if declared.issuer is None:
            return (certificate,)
        issuer = next(other for other in self.declared if other.name == declared.issuer)
        return (certificate, *self._chain(issuer))

    def _create(self, declared: DeclaredAuthority) -> None:
        stored = self.signing.certificates.own_of_authority(declared.name)
        if stored is not None and stored.certificate is not None:
            # Signed and recorded, then interrupted before the file was written.
            self.files.save_certificate(declared.name, x509.load_der_x509_certificate(stored.certificate))
            return
        if not self.files.has_key(declared.name):
            self.files.save_key(declared.name, declared.generate_key())
        key = self.signing_key(self.files.key(declared.name))
        self.files.save_certificate(declared.name, self._certify(declared, key))

    def _certify(self, declared: DeclaredAuthority, key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
        try:
            return self._signed(declared, key)
        except ProfileViolation as violation:
            raise ConfigurationError(f"The CA {declared.name} cannot be made: {violation}") from violation

    def _signed(self, declared: DeclaredAuthority, key: CertificateIssuerPrivateKeyTypes) -> x509.Certificate:
        profile = self.profiles.for_authority(declared.name, declared.profile)
        template = declared.template(profile, key.public_key())
        serial, now = self.new_serial(), self.now()
        if declared.issuer is None:
            not_before = now.replace(microsecond=0) - template.backdated
            self.drafts.check_root(profile, template, serial=serial, not_before=not_before)
            subject = Subject(declared.name, CertificateType.ROOT_CA)
            particulars = Particulars(serial, not_before, after(not_before, template.validity))
            row = self.signing.pending_row(declared.name, template, particulars, subject)
            record = self.signing.recorder(row, lambda: None, SYSTEM)
            certificate = self_signed(template, key, serial=serial, not_before=not_before, record=record)
            self.signing.store_signed(declared.name, certificate, SYSTEM)
            return certificate
        issuer = self._load(next(other for other in self.declared if other.name == declared.issuer))
        self.drafts.check(issuer, profile, template, serial=serial, now=now)
        subject = Subject(declared.name, CertificateType.SUB_CA)
        particulars = issuer.particulars(template, serial=serial, now=now)
        row = self.signing.pending_row(issuer.name, template, particulars, subject)
        record = self.signing.recorder(row, lambda: None, SYSTEM)
        certificate = issuer.sign(template, serial=serial, now=now, record=record)
        self.signing.store_signed(issuer.name, certificate, SYSTEM)
        return certificate
