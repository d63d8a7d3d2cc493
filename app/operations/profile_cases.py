"""Runs a profile's test cases: made-up requests, each with what must become of it, on a CA that lasts a moment."""

from __future__ import annotations

import base64
import dataclasses
import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from app.errors import InvalidInput, Refusal
from app.pki import distinguished_name
from app.pki.certificate_authority import CertificateAuthority, self_signed
from app.pki.certificate_fields import certificate_fields
from app.pki.certificate_profile import CertificateProfile
from app.pki.certification_request import CertificationRequest
from app.pki.declared_authority import DeclaredAuthority
from app.pki.distribution_points import DistributionPoints
from app.pki.enrolment_request import EnrolmentRequest
from app.pki.profile_rules import BasicConstraintsRule, KeyUsageRule, ProfileType, ValidityRule
from app.pki.write_ahead_key import hash_for

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes

    from app.files.profile_case_files import ProfileCase, RequestRecipe

_KINDS: Final[dict[str, Callable[[str], x509.GeneralName]]] = {
    "dns": x509.DNSName,
    "ip": lambda text: x509.IPAddress(ipaddress.ip_address(text)),
    "uri": x509.UniformResourceIdentifier,
    "email": x509.RFC822Name,
}
"""A request may hold what no rule accepts, so nothing is checked here."""
_PROFILE: Final = CertificateProfile(
    name="momentary",
    sha256="",
    type=ProfileType.CA,
    key_usage=KeyUsageRule(frozenset({"keyCertSign", "cRLSign"}), critical=True),
    basic_constraints=BasicConstraintsRule(ca=True, critical=True),
    validity=ValidityRule(timedelta(days=100 * 366), timedelta(0)),
    hash_algorithm=None,
)
"""What the CA of the cases is made by."""


@dataclasses.dataclass(frozen=True)
class CaseResult:
    """One case and what was not as expected, or None."""

    case: ProfileCase
    problem: str | None


class ProfileCases:
    """Keys of the made-up requests are made once a kind, and one CA for all cases."""

    def __init__(self, now: datetime | None = None) -> None:
        """Take the time of issuance, by default now."""
        self._now = now or datetime.now(UTC)
        self._keys: dict[str, CertificateIssuerPrivateKeyTypes] = {}
        self._authority, self._key = _momentary_authority(self._now)

    def run(self, profile: CertificateProfile, cases: Sequence[ProfileCase]) -> Iterator[CaseResult]:
        """Yield the result of each case."""
        for case in cases:
            yield CaseResult(case, self._problem(profile, case))

    def _problem(self, profile: CertificateProfile, case: ProfileCase) -> str | None:
        try:
            text = case.csr if case.csr is not None else self._request(case.request)
        except (ValueError, InvalidInput) as error:
            return f"the request cannot be made: {error}"
        try:
            fields = self._fields(profile, case, text)
        except Refusal as refusal:
            if case.refused is None:
                return f"refused: {refusal}"
            return None if case.refused in str(refusal) else f"refused, but not for {case.refused!r}: {refusal}"
        if case.refused is not None:
            return f"issued, where {case.refused!r} was to refuse it"
        differences = [
            f"{name} is {found!r}, not {value!r}"
            for name, value in case.issued.items()
            if (found := _named(fields.get(name), value)) != value
        ]
        return "; ".join(differences) or None

    def _fields(self, profile: CertificateProfile, case: ProfileCase, text: str) -> dict[str, Any]:
        subject = (
            distinguished_name.parse(case.subject) if case.subject else distinguished_name.of_common_name(case.entity)
        )
        asked = EnrolmentRequest.of(CertificationRequest.from_text(text), case.entity, subject)
        asked = dataclasses.replace(
            asked, alternative_names=case.alternative_names, asked=(case.period,) if case.period else ()
        )
        of_end_entities = profile.type is ProfileType.END_ENTITY
        template = profile.apply(asked) if of_end_entities else profile.apply_to_own(asked)
        draft = self._authority.draft(template, serial=1, now=self._now, key=self._key)
        return {
            **certificate_fields(draft),
            "backdate": (self._now.replace(microsecond=0) - draft.not_valid_before_utc) // timedelta(minutes=1),
            "cas": "any" if profile.cas is None else sorted(profile.cas),
        }

    def _request(self, recipe: RequestRecipe) -> str:
        if recipe.key not in self._keys:
            self._keys[recipe.key] = _authority_of(recipe.key).generate_key()
        key = self._keys[recipe.key]
        builder = x509.CertificateSigningRequestBuilder(distinguished_name.parse(recipe.subject))
        if recipe.alternative_names:
            parts = (name.partition(":") for name in recipe.alternative_names)
            names = x509.SubjectAlternativeName([_KINDS[kind](text) for kind, _, text in parts])
            builder = builder.add_extension(names, critical=False)
        for oid, critical, der in recipe.extensions:
            builder = builder.add_extension(x509.UnrecognizedExtension(oid, der), critical=critical)
        request = builder.sign(key, hash_for(key, hashes.SHA256()))
        return base64.b64encode(request.public_bytes(serialization.Encoding.DER)).decode()


def _named(found: Any, expected: Any) -> Any:
    """Return what is to be compared: of the values of extensions only those the case names."""
    both = isinstance(found, dict) and isinstance(expected, dict)
    return {key: value for key, value in found.items() if key in expected} if both else found


def _authority_of(key_type: str) -> DeclaredAuthority:
    kind, _, bits = key_type.partition("-")
    rsa = kind == "RSA"
    return DeclaredAuthority(
        name="momentary",
        subject=distinguished_name.of_common_name("momentary"),
        validity=None,
        key_type="RSA" if rsa else key_type,
        key_size=int(bits) if rsa else 0,
        path_length=None,
        signs_end_entities=True,
        issuer=None,
        profile=_PROFILE.name,
    )


def _momentary_authority(now: datetime) -> tuple[CertificateAuthority, CertificateIssuerPrivateKeyTypes]:
    declared = _authority_of("P-256")
    key = ec.generate_private_key(ec.SECP256R1())
    template = declared.template(_PROFILE, key.public_key())
    not_before = now.replace(microsecond=0) - timedelta(days=1)
    certificate = self_signed(template, key, serial=1, not_before=not_before, record=lambda _: None)
    points = DistributionPoints("momentary", ("https://pki.example",), deltas=True)
    return CertificateAuthority("momentary", (certificate,), key, points=points), key
