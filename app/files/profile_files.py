"""``profiles/<NAME>.yaml`` to :class:`CertificateProfile`; what makes no sense is an error with file, key and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from marshmallow import Schema

from app.errors import ConfigurationError
from app.files.hierarchy_file import load_hierarchy
from app.files.presence import is_there
from app.files.profile_probe import probe_problem
from app.files.profile_schemas import SCHEMAS
from app.files.profile_sections import CURVES
from app.files.profile_shared import HASHES
from app.files.shipped import shipped
from app.files.yaml_file import load_with_text, yaml_files
from app.pki import distinguished_name
from app.pki.certificate_profile import CertificateProfile
from app.pki.certificate_template import Pointer
from app.pki.declared_authority import ROOT_PROFILE, SUB_PROFILE, DeclaredAuthority
from app.pki.ocsp_responder import RESPONDER_PROFILE
from app.pki.profile_rules import (
    WEEKDAYS,
    AlternativeNamesRule,
    BasicConstraintsRule,
    CertificatePoliciesRule,
    ExtendedKeyUsageRule,
    KeyRule,
    KeyUsageRule,
    MustStapleRule,
    NameConstraintsRule,
    NameSource,
    NameTemplate,
    OcspNoCheckRule,
    OtherExtensionsRule,
    PointersRule,
    Policy,
    ProfileType,
    StaticExtensionsRule,
    SubjectRule,
    ValidityRule,
)

if TYPE_CHECKING:
    from pathlib import Path

HIERARCHY_FILE: Final = "hierarchy.yaml"
OWN_PROFILES: Final = (ROOT_PROFILE, SUB_PROFILE, RESPONDER_PROFILE)
"""By these the program makes its own certificates, unless hierarchy.yaml names others."""


def load_profile(path: Path) -> CertificateProfile:
    """Read one profile; its name is the file's. Raises :class:`ConfigurationError` naming file, key and line."""
    data, sha256, text = load_with_text(path, _schema_of)
    profile = CertificateProfile(
        name=path.stem, sha256=sha256, text=text, **_for_all(data), **_MORE[ProfileType(data["type"])](data)
    )
    if (problem := probe_problem(profile)) is not None:
        raise ConfigurationError(f"{path}: {problem}")
    return profile


def _schema_of(document: Any) -> Schema:
    """Return the schema of the type that a file says it is of; what it says is held to the schema then."""
    said = document.get("type") if isinstance(document, dict) else None
    return SCHEMAS[ProfileType(said) if said in list(ProfileType) else ProfileType.END_ENTITY]()


def _for_all(data: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that profiles of all types have."""
    written = tuple(
        x509.Extension(value["oid"], value["critical"], x509.UnrecognizedExtension(value["oid"], value["der"]))
        for value in data["extensions"]
    )
    constraints, longest = data["basic_constraints"], data.get("validity_override")
    return {
        "type": ProfileType(data["type"]),
        "validity": ValidityRule(
            data["validity"],
            timedelta(minutes=data["backdate"]),
            longest,
            frozenset(map(WEEKDAYS.index, data.get("no_end_on", ()))),
        ),
        "basic_constraints": BasicConstraintsRule(
            constraints["ca"], constraints["critical"], constraints.get("pathlen")
        ),
        "key_usage": KeyUsageRule(frozenset(data["key_usage"]["bits"]), data["key_usage"]["critical"]),
        "hash_algorithm": HASHES[data["signature_hash"]],
        "policies": CertificatePoliciesRule(
            tuple(Policy(policy["oid"], policy["cps"], policy["notice"]) for policy in data["policies"])
        ),
        "static_extensions": StaticExtensionsRule(written),
        "pointers": PointersRule(_pointers(data)),
        "lint": data["lint"],
    }


def _for_end_entities(data: dict[str, Any]) -> dict[str, Any]:
    usages = data["extended_key_usage"]
    return {
        "cas": data["cas"],
        "key": _key(data["key"]),
        "subject": _subject(data["subject"]),
        "alternative_names": _alternative_names(data["alternative_names"]),
        "extended_key_usage": ExtendedKeyUsageRule(tuple(usages["usages"]), usages["critical"]),
        "must_staple": MustStapleRule(data["must_staple"]),
        "other_extensions": _other_extensions(data),
        "renewal_window": timedelta(days=data["renewal_window"]) if data["renewal_window"] else None,
        "single_active_certificate": data["single_active_certificate"],
        "renewal_with_same_key": data["renewal_with_same_key"],
    }


def _for_authorities(data: dict[str, Any]) -> dict[str, Any]:
    sides = (data["name_constraints"].get(side, {}) for side in ("permitted", "excluded"))
    permitted, excluded = (tuple(chain.from_iterable(side.values())) for side in sides)
    return {"name_constraints": NameConstraintsRule(permitted, excluded)}


def _for_responders(data: dict[str, Any]) -> dict[str, Any]:
    return {
        "extended_key_usage": ExtendedKeyUsageRule(tuple(data["extended_key_usage"])),
        "ocsp_nocheck": OcspNoCheckRule(data["ocsp_nocheck"]),
    }


_MORE: Final[Mapping[ProfileType, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    ProfileType.END_ENTITY: _for_end_entities,
    ProfileType.CA: _for_authorities,
    ProfileType.OCSP_RESPONDER: _for_responders,
}


def _pointers(data: dict[str, Any]) -> frozenset[Pointer]:
    wanted = {Pointer(name) for name in data.get("authority_information", ())}
    if data["crl_distribution_points"]:
        wanted.add(Pointer.CRL)
    if data.get("freshest_crl"):
        wanted.add(Pointer.FRESHEST_CRL)
    return frozenset(wanted)


def load_profiles(directory: Path) -> dict[str, CertificateProfile]:
    """Read all profiles of a directory by name; what its ``hierarchy.yaml`` and they say of each other must fit.

    Those by which CAs and OCSP responders are made are the shipped ones where the directory has none.
    """
    paths = profile_paths(directory)
    if not paths:
        raise ConfigurationError(f"There is no certificate profile in {directory}.")
    profiles = {path: load_profile(path) for path in paths}
    for path, profile in profiles.items():
        if (profile.type is ProfileType.OCSP_RESPONDER) is not (profile.name == RESPONDER_PROFILE):
            raise ConfigurationError(f"{path}: type: ocsp_responder is the type of {RESPONDER_PROFILE}, and no other.")
    found = {path.stem: profile for path, profile in profiles.items()}
    found |= {name: load_profile(shipped("profiles") / f"{name}.yaml") for name in OWN_PROFILES if name not in found}
    if is_there(directory / HIERARCHY_FILE):
        declared = load_hierarchy(directory / HIERARCHY_FILE)
        signs_end_entities = {ca.name: ca.signs_end_entities for ca in declared}
        for path, profile in profiles.items():
            _check_cas(path, profile.cas or frozenset(), signs_end_entities)
        for ca in declared:
            _check_profile_of(ca, directory, found)
    return found


def _check_profile_of(ca: DeclaredAuthority, directory: Path, profiles: dict[str, CertificateProfile]) -> None:
    profile = profiles.get(ca.profile)
    if profile is None or profile.type is not ProfileType.CA:
        raise ConfigurationError(
            f"{directory / HIERARCHY_FILE}: {ca.name}: profile: there is no {ca.profile} of type ca beside it."
        )


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
        source=NameSource(data["source"]),
    )


def _other_extensions(data: dict[str, Any]) -> OtherExtensionsRule:
    written = {value["oid"] for value in data["extensions"]}
    if data["policies"]:
        written.add(x509.CertificatePolicies.oid)
    if data["must_staple"]:
        written.add(x509.TLSFeature.oid)
    return OtherExtensionsRule(kept=frozenset(data["keep_extensions"]), written=frozenset(written))
