"""The rules a certificate profile is made of, a file a family: one small class a rule, each with its clause."""

from app.pki.profile_rules.alternative_names import AlternativeNamesRule, NameSource, NameTemplate
from app.pki.profile_rules.constraints import (
    BasicConstraintsRule,
    NameConstraintsRule,
    OcspNoCheckRule,
    SubjectKeyIdentifierRule,
)
from app.pki.profile_rules.holder import HolderRule, ProfileType
from app.pki.profile_rules.key import KeyRule
from app.pki.profile_rules.other_extensions import OtherExtensionsRule, StaticExtensionsRule
from app.pki.profile_rules.pointers import PointersRule
from app.pki.profile_rules.policy import CertificatePoliciesRule, MustStapleRule, Policy
from app.pki.profile_rules.rule import NEVER_FROM_A_REQUEST, Finding, Rule, Verdict, is_the_cas_alone
from app.pki.profile_rules.subject import SubjectRule
from app.pki.profile_rules.usage import ExtendedKeyUsageRule, KeyUsageRule
from app.pki.profile_rules.validity import WEEKDAYS, ValidityRule

__all__ = [
    "NEVER_FROM_A_REQUEST",
    "WEEKDAYS",
    "AlternativeNamesRule",
    "BasicConstraintsRule",
    "CertificatePoliciesRule",
    "ExtendedKeyUsageRule",
    "Finding",
    "HolderRule",
    "KeyRule",
    "KeyUsageRule",
    "MustStapleRule",
    "NameConstraintsRule",
    "NameSource",
    "NameTemplate",
    "OcspNoCheckRule",
    "OtherExtensionsRule",
    "PointersRule",
    "Policy",
    "ProfileType",
    "Rule",
    "StaticExtensionsRule",
    "SubjectKeyIdentifierRule",
    "SubjectRule",
    "ValidityRule",
    "Verdict",
    "is_the_cas_alone",
]
