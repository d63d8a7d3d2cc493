"""Makes the declared CAs that do not exist yet, and loads them all."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from app.errors import ConfigurationError, ProfileViolation, UnknownAuthority
from app.files.authority_files import AuthorityFiles
from app.files.private_keys import check_key
from app.operations.actor import SYSTEM
from app.operations.authorities import Authorities
from app.operations.drafts import Drafts
from app.operations.profiles import Profiles
from app.operations.recorded_signing import RecordedSigning, Subject
from app.pki.certificate_authority import CertificateAuthority, self_signed
from app.pki.certificate_template import Particulars
from app.pki.distribution_points import DistributionPoints, offline_points
from app.pki.key_identity import public_key_sha256_of
from app.pki.period import after
from app.store.certificates import CertificateType
from app.store.offline_authorities import OfflineAuthorityStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.operations.actor import Actor
    from app.pki.declared_authority import DeclaredAuthority


@dataclass(frozen=True)
class Hierarchy:
    """Holds what is declared against what is on disk. ``signing_key`` may wrap each key before it is used.

    ``public_urls`` are where the world reaches this server, none when certificates shall name no URL; ``delta_lists``
    tells whether there are delta lists to point at. ``medium`` holds the keys of offline CAs, None where it is not at
    hand.
    """

    declared: Sequence[DeclaredAuthority]
    files: AuthorityFiles
    offline: OfflineAuthorityStore
    signing: RecordedSigning
    profiles: Profiles
    drafts: Drafts
    now: Callable[[], datetime]
    new_serial: Callable[[], int]
    signing_key: Callable[[CertificateIssuerPrivateKeyTypes], CertificateIssuerPrivateKeyTypes]
    public_urls: tuple[str, ...] = ()
    delta_lists: bool = False
    medium: AuthorityFiles | None = None

    def create_missing(self) -> list[str]:
        """Make every declared CA that has no certificate yet, issuers first; return their names.

        Each step can be interrupted and is taken up again: key file, recorded signature, certificate file.
        """
        self._check()
        if self.medium is not None:
            self._take_roots_offline()
        created = []
        for declared in self.declared:
            certificate = self.files.certificate(declared.name)
            if certificate is None:
                self._create(declared)
                created.append(declared.name)
            elif renewed := self._renewed(declared, certificate):
                self.files.renew_certificate(declared.name, renewed)
        if self.medium is not None:
            self._copy_certificates(self.medium)
        return created

    def _renewed(self, declared: DeclaredAuthority, certificate: x509.Certificate) -> x509.Certificate | None:
        """Return the newer certificate that is on record: its import was cut off, or another server did it."""
        stored = self.signing.certificates.own_of_authority(declared.name)
        issuer = self.files.certificate(declared.issuer) if declared.issuer else None
        if stored is None or stored.certificate is None or stored.revoked or issuer is None:
            return None
        renewed = x509.load_der_x509_certificate(stored.certificate)
        if renewed == certificate or renewed.public_key() != certificate.public_key():
            return None
        if renewed.not_valid_before_utc > self.now():  # signed while the clock was ahead, and renewed again since
            return None
        try:
            renewed.verify_directly_issued_by(issuer)
        except (InvalidSignature, ValueError, TypeError):
            return None
        return renewed

    def load(self) -> Authorities:
        """Return all CAs, each key tried out.

        Raises :class:`ConfigurationError` when the declaration contradicts what is on disk, or a key cannot be used.
        """
        self._check()
        return Authorities(self._load(declared) for declared in self.declared)

    def named(self, name: str) -> DeclaredAuthority:
        """Return what is declared of a CA; raise :class:`UnknownAuthority` when nothing is."""
        found = next((declared for declared in self.declared if declared.name == name), None)
        if found is None:
            raise UnknownAuthority(f"CA with name {name} does not exist.")
        return found

    def _take_roots_offline(self) -> None:
        """Record which keys are made on the medium before one is made anywhere."""
        roots = [declared for declared in self.declared if declared.issuer is None and not declared.signs_end_entities]
        if not roots:
            raise ConfigurationError(
                "The hierarchy file declares no root that signs other CAs only; none can be offline."
            )
        for root in roots:
            if root.name in self.offline.names():
                self._check_medium(root.name)
                continue
            if self.files.has_key(root.name) or self.files.certificate(root.name) is not None:
                raise ConfigurationError(
                    f"The root {root.name} was made with its key in {self.files.keys}; an offline root is made so from "
                    "the beginning."
                )
            with self.signing.database.transaction():
                self.offline.add(root.name, self.now())

    def _check_medium(self, name: str) -> None:
        """Refuse a medium without the key of a root that was made: nothing is begun on the wrong one."""
        if self.medium and self.files.certificate(name) is not None and not self.medium.has_key(name):
            raise ConfigurationError(
                f"There is no key of CA {name} in {self.medium.keys}: give --root-out the medium that it was made on."
            )

    def _copy_certificates(self, medium: AuthorityFiles) -> None:
        """Put the certificates of offline CAs beside their keys: a ceremony elsewhere knows nothing of this machine."""
        for name in self.offline.names():
            certificate = self.files.certificate(name)
            if certificate is not None and medium.certificate(name) is None:
                medium.save_certificate(name, certificate)

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
        path = self._path(declared)
        chain = tuple(self._certificate(each) for each in path)
        issuers = tuple(each.name for each in path[1:])
        offline = declared.name in self.offline.names()
        files = self._key_files(declared.name)
        key = files.key(declared.name) if files else None
        if key is not None:
            check_key(f"CA {declared.name}", key, chain[0].public_key())
            key = self.signing_key(key)
        points = self._points(declared, offline=offline)
        return CertificateAuthority(declared.name, chain, key, declared.signs_end_entities, points, offline, issuers)

    def _key_files(self, name: str) -> AuthorityFiles | None:
        """Return where the key of a CA is; None when it is offline and not at hand."""
        return self.medium if name in self.offline.names() else self.files

    def _points(self, declared: DeclaredAuthority, *, offline: bool) -> DistributionPoints | None:
        if not self.public_urls:
            return None
        if offline:
            return offline_points(declared.name, self.public_urls)
        return DistributionPoints(declared.name, self.public_urls, declared.crl_partitions, self.delta_lists)

    def _path(self, declared: DeclaredAuthority) -> tuple[DeclaredAuthority, ...]:
        """Return the CA and all above it, the root last."""
        if declared.issuer is None:
            return (declared,)
        return (declared, *self._path(self.named(declared.issuer)))

    def _certificate(self, declared: DeclaredAuthority) -> x509.Certificate:
        certificate = self.files.certificate(declared.name)
        if certificate is None:
            raise ConfigurationError(
                f"The CA {declared.name} is declared, and {self.files.certificate_path(declared.name)} is not there: "
                "midca init, or the next start of the server, makes it."
            )
        return certificate

    def _create(self, declared: DeclaredAuthority) -> None:
        stored, files = self.signing.certificates.own_of_authority(declared.name), self._key_files(declared.name)
        if stored is not None and stored.certificate is not None:
            # Signed and recorded, then interrupted before the file was written.
            if files is not None and files.has_key(declared.name):
                self._check_made_here(declared.name, files.key(declared.name))
            self.files.save_certificate(declared.name, x509.load_der_x509_certificate(stored.certificate))
            return
        if files is None:
            raise ConfigurationError(f"The root {declared.name} is not made yet: go on with midca init --root-out.")
        if not files.has_key(declared.name):
            files.save_key(declared.name, declared.generate_key())
        # Left by a start that was interrupted, maybe: there is no certificate yet that says what key it must be.
        key = self.signing_key(files.key(declared.name, validated=True))
        self.files.save_certificate(declared.name, self.certify(declared, key, SYSTEM))

    def _check_made_here(self, name: str, key: CertificateIssuerPrivateKeyTypes) -> None:
        """Refuse to make a CA that another server on this database has made, or is making at this moment."""
        ours = public_key_sha256_of(key.public_key())
        if self.signing.certificates.keys_of_authority(name) - {ours}:
            raise ConfigurationError(
                f"Another server made the CA {name} in this database, with another key than that in "
                f"{self.files.directory}; copy ca/ and secrets/ from that server."
            )

    def certify(
        self, declared: DeclaredAuthority, key: CertificateIssuerPrivateKeyTypes, actor: Actor
    ) -> x509.Certificate:
        """Return a new certificate for the CA and its key, signed by its issuer and recorded before.

        Raises :class:`ConfigurationError` when its profile, or where its issuer's key is, does not let that be.
        """
        try:
            return self._signed(declared, key, actor)
        except ProfileViolation as violation:
            raise ConfigurationError(f"The CA {declared.name} cannot be made: {violation}") from violation

    def _signed(
        self, declared: DeclaredAuthority, key: CertificateIssuerPrivateKeyTypes, actor: Actor
    ) -> x509.Certificate:
        profile = self.profiles.for_authority(declared.name, declared.profile)
        template = declared.template(profile, key.public_key())
        serial, now = self.new_serial(), self.now()
        claim = partial(self._check_made_here, declared.name, key)
        if declared.issuer is None:
            not_before = now.replace(microsecond=0) - template.backdated
            self.drafts.check_root(profile, template, serial=serial, not_before=not_before)
            subject = Subject(declared.name, CertificateType.ROOT_CA)
            particulars = Particulars(serial, not_before, after(not_before, template.validity))
            row = self.signing.pending_row(declared.name, template, particulars, subject)
            record = self.signing.recorder(row, claim, actor)
            certificate = self_signed(template, key, serial=serial, not_before=not_before, record=record)
            self.signing.store_signed(declared.name, certificate, actor)
            return certificate
        issuer = self._load(self.named(declared.issuer))
        if issuer.key is None:
            raise ConfigurationError(
                f"CA {declared.name} is to be signed by {issuer.name}, whose key is offline: make it with the medium "
                "at hand, by midca init --root-out."
            )
        self.drafts.check(issuer, profile, template, serial=serial, now=now)
        subject = Subject(declared.name, CertificateType.SUB_CA)
        particulars = issuer.particulars(template, serial=serial, now=now)
        row = self.signing.pending_row(issuer.name, template, particulars, subject)
        record = self.signing.recorder(row, claim, actor)
        certificate = issuer.sign(template, serial=serial, now=now, record=record)
        self.signing.store_signed(issuer.name, certificate, actor)
        return certificate
