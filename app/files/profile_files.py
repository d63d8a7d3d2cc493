"""``profiles/<NAME>.yaml`` to :class:`CertificateProfile`; what makes no sense is an error with file, key and line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509

from app.errors import ConfigurationError
from app.files.hierarchy_file import load_hierarchy
from app.files.profile_probe import probe_problem
from app.files.profile_schema import HASHES, ProfileSchema
from app.files.profile_sections import CURVES
from app.files.yaml_file import load_with_text, yaml_files
from app.pki import distinguished_name
from app.pki.certificate_profile import CertificateProfile
from app.pki.certificate_template import Pointer
from app.pki.profile_rules import (
    AlternativeNamesRule,
    BasicConstraintsRule,
    CertificatePoliciesRule,
    ExtendedKeyUsageRule,
    KeyRule,
    KeyUsageRule,
    MustStapleRule,
    NameTemplate,
    OtherExtensionsRule,
    PointersRule,
    Policy,
    StaticExtensionsRule,
    SubjectRule,
    ValidityRule,
)

if TYPE_CHECKING:
    from pathlib import Path

HIERARCHY_FILE: Final = "hierarchy.yaml"


def load_profile(path: Path) -> CertificateProfile:
    """Read one profile; its name is the file's. Raises :class:`ConfigurationError` naming file, key and line."""
    data, sha256, text = load_with_text(path, ProfileSchema())
    written = tuple(
        x509.Extension(value["oid"], value["critical"], x509.UnrecognizedExtension(value["oid"], value["der"]))
        for value in data["extensions"]
    )
    usages = data["extended_key_usage"]
    profile = CertificateProfile(
        name=path.stem,
        sha256=sha256,
        cas=data["cas"],
        key=_key(data["key"]),
        subject=_subject(data["subject"]),
        alternative_names=_alternative_names(data["alternative_names"]),
        key_usage=KeyUsageRule(frozenset(data["key_usage"]["bits"]), data["key_usage"]["critical"]),
        extended_key_usage=ExtendedKeyUsageRule(tuple(usages["usages"]), usages["critical"]),
        basic_constraints=BasicConstraintsRule(ca=False, critical=data["basic_constraints"]["critical"]),
        validity=ValidityRule(data["validity"], timedelta(minutes=data["backdate"])),
        hash_algorithm=HASHES[data["signature_hash"]],
        policies=CertificatePoliciesRule(tuple(Policy(policy["oid"], policy["cps"]) for policy in data["policies"])),
        must_staple=MustStapleRule(data["must_staple"]),
        static_extensions=StaticExtensionsRule(written),
        other_extensions=_other_extensions(data),
        pointers=PointersRule(_pointers(data)),
        renewal_window=timedelta(days=data["renewal_window"]) if data["renewal_window"] else None,
        lint=data["lint"],
        single_active_certificate=data["single_active_certificate"],
        renewal_with_same_key=data["renewal_with_same_key"],
        text=text,
    )
    if (problem := probe_problem(profile)) is not None:
        raise ConfigurationError(f"{path}: {problem}")
    return profile


def _pointers(data: dict[str, Any]) -> frozenset[Pointer]:
    wanted = {Pointer(name) for name in data["authority_information"]}
    if data["crl_distribution_points"]:
        wanted.add(Pointer.CRL)
    if data["freshest_crl"]:
        wanted.add(Pointer.FRESHEST_CRL)
    return frozenset(wanted)


def load_profiles(directory: Path) -> dict[str, CertificateProfile]:
    """Read all profiles of a directory by name; where its hierarchy is declared, ``cas`` must be of it."""
    paths = profile_paths(directory)
    if not paths:
        raise ConfigurationError(f"There is no certificate profile in {directory}.")
    profiles = {path: load_profile(path) for path in paths}
    if (directory / HIERARCHY_FILE).exists():
        declared = {ca.name: ca.signs_end_entities for ca in load_hierarchy(directory / HIERARCHY_FILE)}
        for path, profile in profiles.items():
            _check_cas(path, profile.cas or frozenset(), declared)
    return {path.stem: profile for path, profile in profiles.items()}


def _check_cas(path: Path, named: frozenset[str], declared: dict[str, bool]) -> None:
    for name in sorted(named):
        if name not in declared:
            raise ConfigurationError(f"{path}: cas: there is no CA {name} in {HIERARCHY_FILE}.")
        if not declared[name]:
            raise ConfigurationError(f"{path}: cas: the CA {name} signs other CAs only, no end entities.")


def profile_paths(directory: Path) -> list[Path]:
    """Return the files of the certificate profiles in a directory."""
    return [path for path in yaml_files(directory) if path.name != HIERARCHY_FILE]


def _key(data: dict[str, Any]) -> KeyRule:
    rsa = data.get("rsa", {})
    return KeyRule(
        rsa_min_bits=rsa.get("min"),
        rsa_max_bits=rsa.get("max"),
        curves=tuple(CURVES[name] for name in data["curves"]),
        ed25519=data["ed25519"],
        refuse_weak=data["refuse_weak"],
    )


def _subject(data: dict[str, Any]) -> SubjectRule:
    oids = (distinguished_name.attribute_oid(name) for name in data["attributes"])
    return SubjectRule(
        attributes=tuple(oid for oid in oids if oid is not None),
        template=None if data["template"] is None else distinguished_name.parse(data["template"]),
        common_name=data["common_name"],
    )


def _alternative_names(data: dict[str, Any]) -> AlternativeNamesRule:
    templates = (text.partition(":") for text in data["templates"])
    return AlternativeNamesRule(
        dns=data["dns"],
        ip=data["ip"],
        uri=data["uri"],
        email=data["email"],
        maximum=data["max"],
        critical=data["critical"],
        templates=tuple(NameTemplate(kind, text) for kind, _, text in templates),
        required=data["required"],
        drop=data["otherwise"] == "drop",
    )


def _other_extensions(data: dict[str, Any]) -> OtherExtensionsRule:
    written = {value["oid"] for value in data["extensions"]}
    if data["policies"]:
        written.add(x509.CertificatePolicies.oid)
    if data["must_staple"]:
        written.add(x509.TLSFeature.oid)
    return OtherExtensionsRule(kept=frozenset(data["keep_extensions"]), written=frozenset(written))
