"""A ceremony: the offline key of a root signs a CA below it, its OCSP responder, or its revocation list.

It needs the medium, the hierarchy file, the profiles and the public URLs, and neither the data directory nor a network.
What is to be signed stands in the ceremony's record, on the medium, before it is signed; the server records it when it
is imported.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from app.errors import InvalidInput, UnknownAuthority
from app.files.private_keys import check_key
from app.operations.ceremony_record import CeremonyRecord, Circumstances
from app.operations.drafts import Drafts
from app.operations.list_contents import BACKDATED
from app.pki.certificate_authority import CertificateAuthority
from app.pki.certification_request import CertificationRequest
from app.pki.declared_authority import describe_key
from app.pki.distinguished_name import to_string
from app.pki.distribution_points import ALL, POINT, ListKind, ListScope, offline_points
from app.pki.ocsp_responder import responder_template
from app.pki.period import in_words
from app.pki.revocation_list import (
    RevocationListTemplate,
    list_entry,
    reason_of_entry,
    sign_for_old_clients,
    sign_revocation_list,
)

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.files.root_medium import RootMedium
    from app.operations.profiles import Profiles
    from app.pki.certificate_profile import CertificateProfile
    from app.pki.certificate_template import CertificateTemplate
    from app.pki.declared_authority import DeclaredAuthority
    from app.pki.revocation import RevocationReason

LIST_VALIDITY: Final = timedelta(days=365)


@dataclass(frozen=True)
class Proposal:
    """What a request will become, for somebody to look at before it is signed."""

    issuer: CertificateAuthority
    profile: CertificateProfile
    template: CertificateTemplate
    request: CertificationRequest

    def describe(self) -> dict[str, str]:
        """Return it field by field."""
        return {
            "issuer": self.issuer.subject_dn,
            "subject": to_string(self.template.subject),
            "profile": self.template.profile,
            "validity": in_words(self.template.validity),
            "key": describe_key(self.request.public_key),
            "public key, SHA-256": self.request.public_key_sha256,
        }


@dataclass(frozen=True)
class Ceremony:
    """``signing_key`` may wrap each key before it is used."""

    medium: RootMedium
    declared: Sequence[DeclaredAuthority]
    profiles: Profiles
    public_urls: tuple[str, ...]
    circumstances: Circumstances
    now: Callable[[], datetime]
    new_serial: Callable[[], int]
    signing_key: Callable[[CertificateIssuerPrivateKeyTypes], CertificateIssuerPrivateKeyTypes]
    drafts: Drafts = field(default_factory=Drafts)

    def propose(self, text: str) -> Proposal:
        """Return what the request (PEM) will become: a CA that the hierarchy declares, or the responder of a root.

        Raises :class:`InvalidInput` for any other.
        """
        request = CertificationRequest.from_text(text)
        for declared in self.declared:
            if declared.issuer in self.medium.files.names() and declared.subject == request.requested_subject:
                return self._propose_authority(self._root(declared.issuer), declared, request)
        for name in self.medium.files.names():
            root = self._root(name)
            if isinstance(request.public_key, ec.EllipticCurvePublicKey):
                profile = self.profiles.for_responders
                template = responder_template(root, profile, request.public_key)
                if template.subject == request.requested_subject:
                    return Proposal(root, profile, template, request)
        raise InvalidInput(
            f"{to_string(request.requested_subject)} is neither a CA that the hierarchy file puts under a root of this "
            "medium, nor the OCSP responder of one."
        )

    def sign(self, proposal: Proposal) -> str:
        """Sign it; return the record and, behind it, the certificate as PEM.

        Raises :class:`ProfileViolation` when the profile has a linter look at it, and that finds something.
        """
        issuer, template, now = proposal.issuer, proposal.template, self.now()
        serial = self.new_serial()
        self.drafts.check(issuer, proposal.profile, template, serial=serial, now=now)
        record = self.begin_record(f"sign {to_string(template.subject)}", issuer)
        record.note("request, SHA-256", proposal.request.sha256)
        for name, value in proposal.describe().items():
            record.note(name, value)
        record.note("rules, SHA-256", template.profile_sha256)
        certificate = issuer.sign(template, serial=serial, now=now, record=record.note_to_be_signed)
        record.note_certificate("new", certificate)
        self.medium.save_issued(issuer.name, certificate)
        return record.text + certificate.public_bytes(Encoding.PEM).decode()

    def revocation_lists(
        self,
        name: str | None = None,
        *,
        validity: timedelta = LIST_VALIDITY,
        revoked: Sequence[tuple[x509.Certificate, RevocationReason]] = (),
    ) -> str:
        """Sign the lists of a root: all that the last ones named, and ``revoked``. Return the record and the lists."""
        root = self._root(name or self._only_root())
        before = self.medium.lists(root.name)
        named = [entry for each in before for entry in each]
        entries = {entry.serial_number: (entry.revocation_date_utc, reason_of_entry(entry)) for entry in named}
        now = self.now().replace(microsecond=0)
        for certificate, reason in revoked:
            if certificate.issuer != root.certificate.subject:
                raise InvalidInput(f"{to_string(certificate.subject)} was not issued by {root.name}.")
            entries.setdefault(certificate.serial_number, (now, reason))
        numbers = [each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for each in before]
        template = RevocationListTemplate(
            number=max([int(now.timestamp()), *(number + 1 for number in numbers)]),
            this_update=now - BACKDATED,
            next_update=min(now + validity, root.certificate.not_valid_after_utc),
            entries=[list_entry(serial, since, reason) for serial, (since, reason) in entries.items()],
        )
        record = self.begin_record("revocation list", root)
        record.note("number", template.number)
        record.note("good until", template.next_update.isoformat())
        for serial, (since, _reason) in entries.items():
            record.note("revoked", f"{serial:X} since {since.isoformat()}")
        signed = [self._sign_list(root, scope, template, record) for scope in self._scopes(root)]
        self.medium.save_lists(root.name, signed)
        return record.text + "".join(each.public_bytes(Encoding.PEM).decode() for each in signed)

    def begin_record(self, what: str, issuer: CertificateAuthority) -> CeremonyRecord:
        """Return a record on the medium that says by now who does what, when and how."""
        now = self.now()
        name = f"{now.strftime('%Y%m%dT%H%M%S')}-{re.sub('[^A-Za-z0-9]+', '-', what)}"
        record = CeremonyRecord(self.medium.new_record(name))
        record.begin(self.circumstances, now)
        record.note("act", what)
        record.note_certificate(issuer.name, issuer.certificate)
        return record

    def _propose_authority(
        self, root: CertificateAuthority, declared: DeclaredAuthority, request: CertificationRequest
    ) -> Proposal:
        if (asked := describe_key(request.public_key)) != declared.described_key:
            raise InvalidInput(
                f"The hierarchy file declares {declared.name} with {declared.described_key}, not {asked}."
            )
        profile = self.profiles.for_authority(declared.name, declared.profile)
        return Proposal(root, profile, declared.template(profile, request.public_key), request)

    def _only_root(self) -> str:
        names = self.medium.files.names()
        if len(names) != 1:
            raise InvalidInput(f"There are {len(names)} CAs on the medium: name one of {', '.join(names) or 'none'}.")
        return names[0]

    def _root(self, name: str) -> CertificateAuthority:
        certificate = self.medium.files.certificate(name)
        if certificate is None:
            raise UnknownAuthority(f"There is no CA {name} on the medium.")
        key = self.medium.files.key(name)
        check_key(f"CA {name}", key, certificate.public_key())
        points = offline_points(name, self.public_urls) if self.public_urls else None
        return CertificateAuthority(
            name, (certificate,), self.signing_key(key), signs_end_entities=False, points=points, offline=True
        )

    def _sign_list(
        self, root: CertificateAuthority, scope: ListScope, template: RevocationListTemplate, record: CeremonyRecord
    ) -> x509.CertificateRevocationList:
        root.check_validity(self.now())
        extensions = tuple(root.points.of_list(scope, ListKind.COMPLETE)) if root.points else ()
        sign = sign_for_old_clients if scope == ALL else sign_revocation_list
        der = sign(root, replace(template, extensions=extensions), record.note_to_be_signed)
        return x509.load_der_x509_crl(der)

    def _scopes(self, root: CertificateAuthority) -> tuple[ListScope, ...]:
        return (ALL, POINT) if root.points else (ALL,)
